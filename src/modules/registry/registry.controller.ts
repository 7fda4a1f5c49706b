import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import {
  CreateServerType,
  ListServerTypes,
  UpdateServerType,
  type ConfigSchemaResponse,
  type ServerTypeDetails,
  type ServerTypeResponse,
} from './registry.dto.js';
import { ImportServerType, SERVER_JSON } from './registry-import.dto.js';
import { RegistryImportService } from './registry-import.service.js';
import { RegistryChangesService } from './registry-changes.service.js';
import { RegistryService } from './registry.service.js';

const SERVER_TYPE = {
  id: '1',
  qualified_name: 'jira/mcp-server',
  display_name: 'Jira Server',
  description: 'Connect to Jira Cloud or Server instances',
  provider_type: 'jira',
  supports_workspace_scoping: true,
  scoping_config_schema: {
    properties: {
      project_keys: {
        type: 'array',
        items: { type: 'string' },
        description: 'List of Jira project keys to allow access to',
      },
    },
  },
  organization: null,
  transport: 'streamable_http',
  category: 'utility',
};
const DETAILS = {
  ...SERVER_TYPE,
  session_scope: 'principal',
  trust_annotations: false,
  price_book: { per_call: 0.001, per_megabyte: 0.05 },
  scopes: [
    {
      name: 'project',
      parts: { project_key: 'case_insensitive' },
      resources: ['jira://{project_key}'],
      filters: { project_keys: '{project_key}' },
      tools: { get_issue: { arguments: [{ '/issue_key': '{project_key}-{number}' }] } },
    },
  ],
  tool_effects: { get_issue: 'read' },
  effects_source: null,
  effects_verified: false,
  declared_resources: [],
};
const IMPORTED = {
  ...DETAILS,
  id: '1001',
  qualified_name: 'io.github.acme/wiki',
  display_name: 'Acme Wiki',
  description: 'Pages of the Acme wiki',
  provider_type: 'wiki',
  supports_workspace_scoping: false,
  scoping_config_schema: {},
  price_book: {},
  scopes: [],
  tool_effects: {},
};
const CONFIG_SCHEMA = {
  auth: {
    type: 'object',
    properties: { api_token: { type: 'string', format: 'password' }, base_url: { type: 'string', format: 'uri' } },
    required: ['api_token', 'base_url'],
  },
  options: { type: 'object', properties: { timeout: { type: 'integer', default: 30 } } },
};
const typeId = new IntegerParameter('server');

@ApiTags('Server Registry')
@Requires('signed-in')
@Controller('api/v1/mcp/registry')
export class RegistryController {
  constructor(
    private readonly registry: RegistryService,
    private readonly changes: RegistryChangesService,
    private readonly imports: RegistryImportService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List available MCP server types' })
  @ApiExample(200, [SERVER_TYPE])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListServerTypes): Promise<Page<ServerTypeResponse>> {
    return this.registry.list(actor, query);
  }

  @Post()
  @ApiOperation({ summary: 'Create a server type of the own organization; operators create global ones' })
  @ApiExample(201, DETAILS)
  @ApiErrors(400, 403, 404, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateServerType): Promise<ServerTypeDetails> {
    return this.changes.create(actor, body);
  }

  @Post('import')
  @ApiOperation({ summary: 'Create a server type from a server.json of the official MCP registry' })
  @ApiBody({ schema: { type: 'object', additionalProperties: true, example: SERVER_JSON } })
  @ApiExample(201, IMPORTED)
  @ApiErrors(400, 403, 404, 409)
  import(
    @CurrentActor() actor: Actor,
    @Query() query: ImportServerType,
    @Body() document: unknown,
  ): Promise<ServerTypeDetails> {
    return this.imports.import(actor, query, document);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a server type' })
  @ApiExample(200, DETAILS)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', typeId) id: number): Promise<ServerTypeDetails> {
    return this.registry.get(actor, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a server type' })
  @ApiExample(200, DETAILS)
  @ApiErrors(400, 403, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', typeId) id: number,
    @Body() body: UpdateServerType,
  ): Promise<ServerTypeDetails> {
    return this.changes.update(actor, id, body);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Delete a server type that no connection uses' })
  @ApiErrors(403, 404, 409)
  remove(@CurrentActor() actor: Actor, @Param('id', typeId) id: number): Promise<void> {
    return this.changes.remove(actor, id);
  }

  @Get(':id/config-schema')
  @ApiOperation({ summary: 'Get server registry configuration schema' })
  @ApiExample(200, CONFIG_SCHEMA)
  @ApiErrors(404)
  configSchema(@CurrentActor() actor: Actor, @Param('id', typeId) id: number): Promise<ConfigSchemaResponse> {
    return this.registry.configSchema(actor, id);
  }
}
