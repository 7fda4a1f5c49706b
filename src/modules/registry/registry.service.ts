import { Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { organizationIds, requireRole, type Actor } from '../../platform/auth/actor.js';
import { Environment } from '../../platform/config/environment.js';
import { columns } from '../../platform/database/columns.js';
import { isForeignKeyViolation, nameTaken, violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database } from '../../platform/database/transaction.js';
import { DomainError, forbidden, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { SERVER_TYPE_STORED_JOB, serverTypeChanged } from './registry.events.js';
import { checkDeclarations } from './scopes-check.js';
import { checkConfigSchemas, SubmittedSchemas } from './submitted-schemas.js';
import {
  CreateServerType,
  ListServerTypes,
  ServerTypeFields,
  toServerTypeDetails,
  toServerTypeResponse,
  UpdateServerType,
  type ConfigSchemaResponse,
  type ServerTypeDetails,
  type ServerTypeResponse,
  type ServerTypeRow,
} from './registry.dto.js';
import { renderTransport, type RenderedTransport } from './rendered-transport.js';
import { ServerType } from './server-type.entity.js';
import { shippedTypes } from './shipped-types.js';
import { checkTransport } from './transport-check.js';
import { isProcess, type Transport } from './transport.js';

export { isProcess } from './transport.js';
export type { RenderedTransport } from './rendered-transport.js';
export { GENERIC_FILTERS } from './scopes-check.js';
export type {
  Comparison,
  DeclaredResource,
  Place,
  Resolution,
  ResultFilter,
  Scope,
  ToolBinding,
  VerifiedEffect,
} from './scopes.js';
export type { JsonSchema } from './transport.js';
export { SSE_TYPE_ID, STREAMABLE_HTTP_TYPE_ID } from './shipped-types.js';

/** Ids below are the product's own, see shipped-types.ts; PostgreSQL counts the others from here. */
const FIRST_OWN_ID = 1_000;

/** What the rest of the product needs to know of a type to connect a server of it. */
export type ServerTypeDefinition = Pick<
  ServerType,
  | 'id'
  | 'organizationId'
  | 'qualifiedName'
  | 'displayName'
  | 'authSchema'
  | 'optionsSchema'
  | 'transport'
  | 'sessionScope'
  | 'trustAnnotations'
  | 'category'
  | 'scopes'
  | 'toolEffects'
  | 'declaredResources'
  | 'scopingConfigSchema'
>;

/** The kinds of servers that can be connected: global ones, and each organization's own. */
@Injectable()
export class RegistryService implements OnApplicationBootstrap {
  private readonly logger = new Logger('registry');

  constructor(
    private readonly database: Database,
    private readonly environment: Environment,
    private readonly schemas: SubmittedSchemas,
  ) {}

  /** Brings the shipped types up to the version of this product. */
  async onApplicationBootstrap(): Promise<void> {
    const shipped = shippedTypes(this.environment.STDIO_ENABLED);
    await this.database.transaction(async ({ manager }) => {
      await this.makeRoom(
        manager,
        shipped.map((type) => type.qualifiedName),
      );
      await manager.upsert(
        ServerType,
        shipped.map((type) => columns<ServerType>({ ...type, organizationId: null })),
        ['id'],
      );
    });
  }

  async list(actor: Actor, query: ListServerTypes): Promise<Page<ServerTypeResponse>> {
    const rows = this.visible(actor);
    if (query.provider_type !== undefined)
      rows.andWhere('t.provider_type = :provider', { provider: query.provider_type });
    if (query.supports_workspace_scoping !== undefined) {
      rows.andWhere('t.supports_workspace_scoping = :scoping', { scoping: query.supports_workspace_scoping });
    }
    return (await readPage<ServerTypeRow, ServerType>(rows, 't.id', query, 'integer')).map(toServerTypeResponse);
  }

  async get(actor: Actor, id: number): Promise<ServerTypeDetails> {
    const row = await this.visible(actor).andWhere('t.id = :id', { id }).getRawOne<ServerTypeRow>();
    const type = row && (await this.database.manager.findOneBy(ServerType, { id }));
    if (!type) throw notFound('server', id);
    return toServerTypeDetails(row, type);
  }

  async configSchema(actor: Actor, id: number): Promise<ConfigSchemaResponse> {
    const { authSchema, optionsSchema } = await this.definition(actor, id);
    return { auth: authSchema, options: optionsSchema };
  }

  /** @throws DomainError 404 for a type the actor can't see */
  definition(actor: Actor, id: number): Promise<ServerTypeDefinition> {
    return this.visibleEntity(actor, id);
  }

  /** Whoever may see it; null when there is none. For rows that refer to it. */
  findDefinition(id: number): Promise<ServerTypeDefinition | null> {
    return this.database.manager.findOneBy(ServerType, { id });
  }

  async create(actor: Actor, body: CreateServerType): Promise<ServerTypeDetails> {
    const organizationId = body.organization ?? null;
    this.requireEditor(actor, organizationId);
    const fields = await this.checked(actor, body);
    const inserted = await this.database.manager
      .insert(ServerType, columns<ServerType>({ ...fields, organizationId }))
      .catch(typeNameTaken);
    return this.get(actor, (inserted.identifiers[0] as { id: number }).id);
  }

  /** Where a change moves the address of a connection, its credentials have to be entered again, see connections/target. */
  async update(actor: Actor, id: number, body: UpdateServerType): Promise<ServerTypeDetails> {
    const current = await this.editable(actor, id);
    const fields = changedOnly(body, await this.checked(actor, { ...toFields(current), ...defined(body) }));
    await this.database.transaction(async (transaction) => {
      await transaction.manager.update(ServerType, { id }, columns<ServerType>({ id, ...fields })).catch(typeNameTaken);
      await enqueueJob(
        transaction,
        SERVER_TYPE_STORED_JOB,
        { server_type_id: id },
        { key: `${SERVER_TYPE_STORED_JOB}:${id}` },
      );
      await transaction.publish(serverTypeChanged(id));
    });
    return this.get(actor, id);
  }

  async remove(actor: Actor, id: number): Promise<void> {
    await this.editable(actor, id);
    try {
      await this.database.manager.delete(ServerType, { id });
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
      throw new DomainError('in_use', 'Connections of this type exist: delete them first', { server_id: id });
    }
  }

  /**
   * How a connection of this type is reached with these values.
   * @throws DomainError 400 naming the field that makes it impossible
   */
  render(
    type: ServerTypeDefinition,
    auth: Record<string, unknown>,
    options: Record<string, unknown>,
  ): RenderedTransport {
    return renderTransport(type, { auth, options });
  }

  /** A global type that operators made before a newer version shipped one of that name gets another name; connections keep it. */
  private async makeRoom(manager: EntityManager, names: string[]): Promise<void> {
    const [renamed] = await manager.query<[{ id: number; qualified_name: string }[], number]>(
      `UPDATE server_types SET qualified_name = left(qualified_name, 100) || '-' || id
        WHERE organization_id IS NULL AND id >= $1 AND qualified_name = ANY($2) RETURNING id, qualified_name`,
      [FIRST_OWN_ID, names],
    );
    for (const type of renamed)
      this.logger.warn({ type }, 'a server type was renamed: the product ships one of this name');
  }

  private async checked(actor: Actor, body: ServerTypeFields): Promise<Partial<ServerType>> {
    if (body.transport.type === 'stdio') this.requireProcessRight(actor);
    const configSchemas = checkConfigSchemas(body.config_schema);
    const scopingConfigSchema = body.scoping_config_schema ?? {};
    await this.schemas.check({
      'config_schema.auth': configSchemas.auth,
      'config_schema.options': configSchemas.options,
      scoping_config_schema: scopingConfigSchema,
    });
    const transport = checkTransport(body.transport, configSchemas);
    const declarations = checkDeclarations(body, scopingConfigSchema);
    return {
      ...declarations,
      qualifiedName: body.qualified_name,
      displayName: body.display_name,
      description: body.description ?? '',
      providerType: body.provider_type,
      supportsWorkspaceScoping: body.supports_workspace_scoping ?? false,
      scopingConfigSchema,
      authSchema: configSchemas.auth,
      optionsSchema: configSchemas.options,
      transport,
      sessionScope: body.session_scope ?? 'principal',
      trustAnnotations: body.trust_annotations ?? false,
      category: body.category ?? 'utility',
    };
  }

  /** Starting processes is for the people who run the machine (docs/adr/0006-generic-stdio.md). */
  requireProcessRight(actor: Actor): void {
    if (!actor.isOperator) throw forbidden('Only an operator may define a server that is a process');
    if (!this.environment.STDIO_ENABLED)
      throw forbidden('Servers that are processes are switched off: set STDIO_ENABLED=true');
  }

  /** A type that starts a process works only while the installation allows processes. */
  isEnabled(transport: Transport): boolean {
    return this.environment.STDIO_ENABLED || !isProcess(transport);
  }

  private async editable(actor: Actor, id: number): Promise<ServerType> {
    const type = await this.visibleEntity(actor, id);
    this.requireEditor(actor, type.organizationId);
    if (id < FIRST_OWN_ID)
      throw new DomainError('conflict', 'This type ships with the product: create one of your own beside it');
    return type;
  }

  private async visibleEntity(actor: Actor, id: number): Promise<ServerType> {
    const isVisible = await this.visible(actor).andWhere('t.id = :id', { id }).getExists();
    const type = isVisible ? await this.database.manager.findOneBy(ServerType, { id }) : null;
    if (!type) throw notFound('server', id);
    return type;
  }

  private requireEditor(actor: Actor, organizationId: string | null): void {
    if (organizationId !== null) requireRole(actor, organizationId, 'admin');
    else if (!actor.isOperator) throw forbidden('Only an operator may edit global types: name your organization');
  }

  private visible(actor: Actor): SelectQueryBuilder<ServerType> {
    const query = this.database.manager
      .createQueryBuilder(ServerType, 't')
      .select([
        't.id AS id',
        't.qualified_name AS qualified_name',
        't.display_name AS display_name',
        't.description AS description',
        't.provider_type AS provider_type',
        't.supports_workspace_scoping AS supports_workspace_scoping',
        't.scoping_config_schema AS scoping_config_schema',
        't.organization_id AS organization_id',
        "t.transport->>'type' AS transport_type",
        't.category AS category',
      ])
      .where('(t.organization_id IS NULL OR t.organization_id = ANY(:organizations))', {
        organizations: organizationIds(actor),
      });
    // An agent connects nothing.
    if (actor.userId === null) query.andWhere('false');
    if (!this.environment.STDIO_ENABLED) query.andWhere("t.transport->>'type' NOT IN ('stdio', 'stdio_from_options')");
    return query;
  }
}

function typeNameTaken(error: unknown): never {
  return nameTaken(violatedUniqueIndex(error) ?? '', 'qualified_name')(error);
}

/** The columns of what a body names: two people may change different things at once. */
function changedOnly(body: UpdateServerType, fields: Partial<ServerType>): Partial<ServerType> {
  const columnsOf: Record<keyof ServerTypeFields, (keyof ServerType)[]> = {
    qualified_name: ['qualifiedName'],
    display_name: ['displayName'],
    description: ['description'],
    provider_type: ['providerType'],
    supports_workspace_scoping: ['supportsWorkspaceScoping'],
    scoping_config_schema: ['scopingConfigSchema'],
    config_schema: ['authSchema', 'optionsSchema'],
    transport: ['transport'],
    session_scope: ['sessionScope'],
    trust_annotations: ['trustAnnotations'],
    category: ['category'],
    scopes: ['scopes'],
    tool_effects: ['toolEffects'],
    declared_resources: ['declaredResources'],
  };
  const named = Object.keys(defined(body)) as (keyof ServerTypeFields)[];
  return Object.fromEntries(named.flatMap((name) => columnsOf[name].map((column) => [column, fields[column]])));
}

function toFields(type: ServerType): ServerTypeFields {
  return {
    qualified_name: type.qualifiedName,
    display_name: type.displayName,
    description: type.description,
    provider_type: type.providerType,
    supports_workspace_scoping: type.supportsWorkspaceScoping,
    scoping_config_schema: type.scopingConfigSchema,
    config_schema: { auth: type.authSchema, options: type.optionsSchema },
    transport: type.transport,
    session_scope: type.sessionScope,
    trust_annotations: type.trustAnnotations,
    category: type.category,
    scopes: type.scopes,
    tool_effects: type.toolEffects,
    declared_resources: type.declaredResources,
  };
}

function defined<T extends object>(body: T): Partial<T> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as Partial<T>;
}
