import { Injectable } from '@nestjs/common';
import { Rejected, RPC } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { ToolCatalogService, type ToolFacts } from '../discovery/tool-catalog.service.js';
import { InvocationService, type Carrying } from '../tools/invocation.service.js';
import { toToolError } from './answers.js';
import { readCompletion } from './completion-request.js';
import { findResource } from './offered-resource.js';
import { OfferedListsService, type OfferedList } from './offered-lists.service.js';
import { ToolSearchService } from './tool-search.service.js';
import { callerOf, type Visitor } from './visitor.js';
import { WorkspaceCatalogService, type WorkspaceCatalog } from './workspace-catalog.service.js';

/** Member of `_meta` in which lists say which servers do not answer now. */
const UNREACHABLE_META = 'mcp-control-plane/unreachable_servers';

/** What both eras of the protocol ask of a server. */
@Injectable()
export class AgentMethodsService {
  constructor(
    private readonly catalogs: WorkspaceCatalogService,
    private readonly lists: OfferedListsService,
    private readonly tools: ToolCatalogService,
    private readonly invocation: InvocationService,
    private readonly search: ToolSearchService,
  ) {}

  async list(visitor: Visitor, method: OfferedList, { cursor }: JsonObject): Promise<JsonObject> {
    const catalog = await this.catalogOf(visitor);
    return withUnreachable(catalog, await this.lists.page(catalog, method, cursor));
  }

  /** In place of `tools/list`, where tools are searched. */
  async listSearch(visitor: Visitor): Promise<JsonObject> {
    const catalog = await this.catalogOf(visitor);
    return withUnreachable(catalog, await this.search.list(catalog));
  }

  async searchTools(visitor: Visitor, args: unknown): Promise<JsonObject> {
    return orToolError(async () => this.search.search(await this.catalogOf(visitor), args));
  }

  /**
   * The tool as its definition in force says.
   * @throws Rejected for one that is not listed
   */
  async findTool(visitor: Visitor, name: unknown): Promise<ToolFacts> {
    if (typeof name !== 'string') throw new Rejected(200, RPC.invalidParams, 'params.name must be a string');
    const id = (await this.catalogOf(visitor)).tools.get(name);
    const tool = id === undefined ? undefined : await this.tools.byId(id);
    if (!tool) throw new Rejected(200, RPC.invalidParams, `Unknown tool: ${name.slice(0, 200)}`);
    return tool;
  }

  async callTool(visitor: Visitor, tool: ToolFacts, args: unknown, carrying: Carrying): Promise<JsonObject> {
    if (args !== undefined && !isObject(args))
      throw new Rejected(200, RPC.invalidParams, 'params.arguments must be an object');
    return orToolError(() => this.invocation.callTool(callerOf(visitor), tool, args ?? {}, carrying, toResult));
  }

  async readResource(visitor: Visitor, uri: unknown, carrying: Carrying): Promise<JsonObject> {
    const resource = findResource(await this.catalogOf(visitor), uri);
    const { named } = resource;
    return this.invocation.readResource(callerOf(visitor), resource, carrying, (result) =>
      underPublicUri(toResult(result), resource.uri, named),
    );
  }

  async getPrompt(visitor: Visitor, { name, arguments: args }: JsonObject, carrying: Carrying): Promise<JsonObject> {
    const prompt = typeof name === 'string' ? (await this.catalogOf(visitor)).prompts.get(name) : undefined;
    if (!prompt)
      throw new Rejected(
        200,
        RPC.invalidParams,
        `Unknown prompt: ${typeof name === 'string' ? name.slice(0, 200) : ''}`,
      );
    if (args !== undefined && !isObject(args))
      throw new Rejected(200, RPC.invalidParams, 'params.arguments must be an object');
    const used = { ...prompt, named: prompt.publicName };
    return this.invocation.getPrompt(callerOf(visitor), used, args, carrying, toResult);
  }

  async complete(visitor: Visitor, params: JsonObject, carrying: Carrying): Promise<JsonObject> {
    const { target, params: sent } = readCompletion(await this.catalogOf(visitor), params);
    return this.invocation.complete(callerOf(visitor), target, sent, carrying, toResult);
  }

  private catalogOf({ organizationId, workspaceId }: Visitor) {
    return this.catalogs.of(organizationId, workspaceId);
  }
}

function withUnreachable({ unreachable }: WorkspaceCatalog, result: JsonObject): JsonObject {
  return unreachable.length === 0 ? result : { ...result, _meta: { [UNREACHABLE_META]: unreachable } };
}

async function orToolError(call: () => Promise<JsonObject>): Promise<JsonObject> {
  try {
    return await call();
  } catch (error) {
    const told = toToolError(error);
    if (!told) throw error;
    return told;
  }
}

/** @throws DomainError `upstream_error` for an answer that is none */
function toResult(result: unknown): JsonObject {
  if (!isObject(result))
    throw new DomainError('upstream_error', 'The server answered with something that is no result');
  return result;
}

/** A server names what it read by its own URI. */
function underPublicUri(result: JsonObject, own: string, named: string): JsonObject {
  if (own === named || !Array.isArray(result.contents)) return result;
  const contents = result.contents.map((part: unknown) =>
    isObject(part) && part.uri === own ? { ...part, uri: named } : part,
  );
  return { ...result, contents };
}
