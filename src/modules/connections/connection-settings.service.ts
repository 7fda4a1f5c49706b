import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { EgressClient } from '../../platform/egress/egress-client.js';
import { EgressError } from '../../platform/egress/egress-error.js';
import { DomainError, invalid } from '../../platform/http/domain-error.js';
import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';
import { RegistryService, type RenderedTransport, type ServerTypeDefinition } from '../registry/registry.service.js';

export type Settings = Record<string, unknown>;

/** What a connection stores of its settings, and how it is reached with them. */
export interface CheckedSettings {
  auth: Settings;
  options: Settings;
  rendered: RenderedTransport;
  addressDigest: string;
}

/** Credentials and options of a connection: checked by the type's schemas, sealed, and bound to the address they are for. */
@Injectable()
export class ConnectionSettingsService {
  constructor(
    private readonly registry: RegistryService,
    private readonly schemas: SchemaChecker,
    private readonly keys: KeyRing,
    private readonly egress: EgressClient,
  ) {}

  /** @throws DomainError 400 naming every wrong field, or `address_refused` */
  async check(type: ServerTypeDefinition, auth: Settings, options: Settings): Promise<CheckedSettings> {
    const fields: Record<string, string[]> = {};
    const [checkedAuth, checkedOptions] = await Promise.all([
      this.byField(type.authSchema, auth, 'auth_data', fields),
      this.byField(type.optionsSchema, options, 'config_options', fields),
    ]);
    if (Object.keys(fields).length > 0) throw invalid(fields);
    const rendered = this.registry.render(type, checkedAuth, checkedOptions);
    if (rendered.transport.type !== 'stdio') this.refuseAddress(rendered.address);
    return { auth: checkedAuth, options: checkedOptions, rendered, addressDigest: digest(rendered.address) };
  }

  seal(auth: Settings, organizationId: string, connectionId: string): string {
    return this.keys.seal(JSON.stringify(auth), { organizationId, connectionId, field: 'auth_data' });
  }

  /**
   * How a stored connection is reached.
   * @throws DomainError `credentials_required` when the credentials can't be opened, or were entered for another address
   */
  open(
    type: ServerTypeDefinition,
    stored: { id: string; organizationId: string; sealedAuth: string; addressDigest: string; configOptions: Settings },
  ): RenderedTransport {
    const rendered = this.registry.render(type, this.credentialsOf(stored), stored.configOptions);
    if (digest(rendered.address) !== stored.addressDigest) {
      throw new DomainError(
        'credentials_required',
        'The address changed since the credentials were entered: enter them again',
      );
    }
    return rendered;
  }

  /** The credentials in the clear, for the moment of use. */
  credentialsOf(stored: { id: string; organizationId: string; sealedAuth: string }): Settings {
    try {
      const place = { organizationId: stored.organizationId, connectionId: stored.id, field: 'auth_data' };
      return JSON.parse(this.keys.open(stored.sealedAuth, place)) as Settings;
    } catch {
      throw new DomainError('credentials_required', 'The stored credentials can not be opened: enter them again');
    }
  }

  private async byField(
    schema: Settings,
    value: Settings,
    field: string,
    problems: Record<string, string[]>,
  ): Promise<Settings> {
    refuseUnstorable(value, field, problems);
    const closed = closedSchema(schema);
    const result = await this.schemas.check({ type: 'object', ...closed }, value, {
      formats: true,
      applyDefaults: true,
    });
    if (result.valid) return result.value as Settings;
    for (const { path, message } of result.errors) (problems[field + path.replaceAll('/', '.')] ??= []).push(message);
    return value;
  }

  /** Names are looked up only when a connection is made: an answer here would tell which internal names exist. */
  private refuseAddress(address: string): void {
    try {
      this.egress.checkUrl(address);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      throw new DomainError('address_refused', error.message);
    }
  }
}

/** What a schema does not name is a mistake, unless it says otherwise. Subschemas may name properties, too. */
function closedSchema(schema: Settings): Settings {
  const keywords = ['additionalProperties', 'unevaluatedProperties', 'patternProperties'];
  if (keywords.some((keyword) => Object.hasOwn(schema, keyword))) return schema;
  const applicators = ['$ref', 'allOf', 'anyOf', 'oneOf', 'if', 'dependentSchemas', '$dynamicRef'];
  const isComposed = applicators.some((keyword) => Object.hasOwn(schema, keyword));
  return { ...schema, [isComposed ? 'unevaluatedProperties' : 'additionalProperties']: false };
}

function refuseUnstorable(value: unknown, path: string, problems: Record<string, string[]>): void {
  if (typeof value === 'string' && NOT_STORABLE.test(value))
    (problems[path] ??= []).push('must not contain NUL or unpaired surrogates');
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key) || NOT_STORABLE.test(key))
      (problems[`${path}.${key}`] ??= []).push('this name is not allowed');
    refuseUnstorable(inner, `${path}.${key}`, problems);
  }
}

function digest(address: string): string {
  return createHash('sha256').update(address).digest('base64url');
}
