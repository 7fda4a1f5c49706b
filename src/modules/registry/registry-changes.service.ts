import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { requireRole, type Actor } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { isForeignKeyViolation, nameTaken, violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, forbidden, notFound } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { canonicalJson } from '../../platform/json/canonical-json.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { SERVER_TYPE_STORED_JOB, serverTypeChanged } from './registry.events.js';
import {
  CreateServerType,
  ServerTypeFields,
  toServerTypeDetails,
  UpdateServerType,
  type ServerTypeDetails,
} from './registry.dto.js';
import { RegistryService } from './registry.service.js';
import { checkPriceBook } from './price-book.js';
import { checkDeclarations } from './scopes-check.js';
import { ServerType } from './server-type.entity.js';
import { FIRST_OWN_ID } from './shipped-types.js';
import { checkConfigSchemas, SubmittedSchemas } from './submitted-schemas.js';
import { checkTransport } from './transport-check.js';
import type { Transport } from './transport.js';

/** Owners and admins edit the types of their organization, operators the global ones; nobody edits those that ship. */
@Injectable()
export class RegistryChangesService {
  constructor(
    private readonly database: Database,
    private readonly registry: RegistryService,
    private readonly schemas: SubmittedSchemas,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async create(actor: Actor, body: CreateServerType): Promise<ServerTypeDetails> {
    const organizationId = body.organization ?? null;
    requireEditor(actor, organizationId);
    const fields = await this.checked(actor, body);
    return this.database.transaction(async (transaction) => {
      const values = columns<ServerType>({ ...fields, organizationId });
      const inserted = await transaction.manager.insert(ServerType, values).catch(typeNameTaken);
      const type = await held(transaction, (inserted.identifiers[0] as { id: number }).id);
      const created = toServerTypeDetails(type);
      await this.idempotency.answer(transaction, actor, created);
      await this.audit.record(transaction, actor, changeOf('created', type, { after: toFacts(type) }));
      return created;
    });
  }

  /** Where a change moves the address of a connection, its credentials have to be entered again, see connections/target. */
  async update(actor: Actor, id: number, body: UpdateServerType): Promise<ServerTypeDetails> {
    const current = await this.editable(actor, id);
    const fields = changedOnly(body, await this.checked(actor, { ...toFields(current), ...defined(body) }));
    return this.database.transaction(async (transaction) => {
      const before = await held(transaction, id);
      await transaction.manager.update(ServerType, { id }, columns<ServerType>({ id, ...fields })).catch(typeNameTaken);
      const after = await held(transaction, id);
      const order = { key: `${SERVER_TYPE_STORED_JOB}:${id}` };
      await enqueueJob(transaction, SERVER_TYPE_STORED_JOB, { server_type_id: id }, order);
      await transaction.publish(serverTypeChanged(id));
      const states = { before: toFacts(before), after: toFacts(after) };
      await this.audit.record(transaction, actor, changeOf('updated', after, states));
      return toServerTypeDetails(after);
    });
  }

  async remove(actor: Actor, id: number): Promise<void> {
    await this.editable(actor, id);
    await this.database
      .transaction(async (transaction) => {
        const before = await held(transaction, id);
        await transaction.manager.delete(ServerType, { id });
        await this.audit.record(transaction, actor, changeOf('deleted', before, { before: toFacts(before) }));
      })
      .catch((error: unknown) => {
        if (!isForeignKeyViolation(error)) throw error;
        throw new DomainError('in_use', 'Connections of this type exist: delete them first', { server_id: id });
      });
  }

  private async checked(actor: Actor, body: ServerTypeFields): Promise<Partial<ServerType>> {
    if (body.transport.type === 'stdio') this.registry.requireProcessRight(actor);
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
      priceBook: checkPriceBook(body.price_book ?? {}),
    };
  }

  private async editable(actor: Actor, id: number): Promise<ServerType> {
    const type = await this.registry.visibleType(actor, id);
    requireEditor(actor, type.organizationId);
    if (id < FIRST_OWN_ID)
      throw new DomainError('conflict', 'This type ships with the product: create one of your own beside it');
    return type;
  }
}

function requireEditor(actor: Actor, organizationId: string | null): void {
  if (organizationId !== null) requireRole(actor, organizationId, 'admin');
  else if (!actor.isOperator) throw forbidden('Only an operator may edit global types: name your organization');
}

/** As it is now, and stays until the end of the transaction. */
async function held({ manager }: Transaction, id: number): Promise<ServerType> {
  const type = await manager.findOne(ServerType, { where: { id }, lock: { mode: 'for_no_key_update' } });
  if (!type) throw notFound('server', id);
  return type;
}

function changeOf(verb: string, type: ServerType, states: Pick<Change, 'before' | 'after'>): Change {
  const { id, organizationId } = type;
  return { organizationId, action: `server_type.${verb}`, object: { type: 'server_type', id }, ...states };
}

/** What the audit trail says of a type: more than the API shows, as its transport decides where credentials go. */
function toFacts(type: ServerType): Record<string, unknown> {
  const { authSchema: auth, optionsSchema: options, transport } = type;
  return { ...toServerTypeDetails(type), config_schema: { auth, options }, ...transportFacts(transport) };
}

/** Its templates can hold secrets that somebody wrote into the type: the trail tells that they changed, not what they are. */
function transportFacts(transport: Transport): Record<string, unknown> {
  const digest = createHash('sha256').update(canonicalJson(transport)).digest('hex');
  if (transport.type === 'stdio') return { command: transport.command, transport_digest: digest };
  if (!('url' in transport)) return { transport_digest: digest };
  return { url: transport.url.split('?', 1)[0], transport_digest: digest };
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
    price_book: ['priceBook'],
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
    price_book: { ...type.priceBook },
  };
}

function defined<T extends object>(body: T): Partial<T> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as Partial<T>;
}
