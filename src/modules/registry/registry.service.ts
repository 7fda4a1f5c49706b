import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { organizationIds, type Actor } from '../../platform/auth/actor.js';
import { Environment } from '../../platform/config/environment.js';
import { Database } from '../../platform/database/transaction.js';
import { forbidden, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import {
  ListServerTypes,
  toServerTypeDetails,
  toServerTypeResponse,
  type ConfigSchemaResponse,
  type ServerTypeDetails,
  type ServerTypeResponse,
  type ServerTypeRow,
} from './registry.dto.js';
import { renderTransport, type RenderedTransport } from './rendered-transport.js';
import { ServerType } from './server-type.entity.js';
import { isProcess, type Transport } from './transport.js';

export {
  checkPriceBook,
  costOf,
  priceOf,
  toPriceBookResponse,
  type Price,
  type PriceBook,
  type PriceBookResponse,
} from './price-book.js';
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
  | 'priceBook'
  | 'scopingConfigSchema'
>;

/** The kinds of servers that can be connected: global ones, and each organization's own. Who edits them: registry-changes.service.ts. */
@Injectable()
export class RegistryService {
  constructor(
    private readonly database: Database,
    private readonly environment: Environment,
  ) {}

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
    return toServerTypeDetails(await this.visibleType(actor, id));
  }

  async configSchema(actor: Actor, id: number): Promise<ConfigSchemaResponse> {
    const { authSchema, optionsSchema } = await this.definition(actor, id);
    return { auth: authSchema, options: optionsSchema };
  }

  /** @throws DomainError 404 for a type the actor can't see */
  definition(actor: Actor, id: number): Promise<ServerTypeDefinition> {
    return this.visibleType(actor, id);
  }

  /** Whoever may see it; null when there is none. For rows that refer to it. */
  findDefinition(id: number): Promise<ServerTypeDefinition | null> {
    return this.database.manager.findOneBy(ServerType, { id });
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

  /** @throws DomainError 404 for a type the actor can't see */
  async visibleType(actor: Actor, id: number): Promise<ServerType> {
    const isVisible = await this.visible(actor).andWhere('t.id = :id', { id }).getExists();
    const type = isVisible ? await this.database.manager.findOneBy(ServerType, { id }) : null;
    if (!type) throw notFound('server', id);
    return type;
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
