import { PROVIDERS } from '../../providers/index.js';
import type { Provider } from '../../providers/provider.js';
import { checkDeclarations } from './scopes-check.js';
import type { ServerType } from './server-type.entity.js';
import type { JsonSchema } from './transport.js';
import { wellKnownTypes } from './well-known/index.js';

/** What ships with the product: ids are part of the API. All columns, so that nothing is left of an older version. */
export type ShippedType = Omit<ServerType, 'organization' | 'organizationId' | 'createdAt'>;

/** Of types that declare nothing for policy. */
const UNDECLARED = {
  supportsWorkspaceScoping: false,
  scopingConfigSchema: {},
  sessionScope: 'principal',
  trustAnnotations: false,
  scopes: [],
  toolEffects: {},
  effectsSource: null,
  declaredResources: [],
  category: 'utility',
  priceBook: {},
} satisfies Partial<ShippedType>;

/** Ids below are the product's own; PostgreSQL counts the others from here. */
export const FIRST_OWN_ID = 1_000;

const TIMEOUT: JsonSchema = {
  type: 'integer',
  minimum: 1,
  maximum: 600,
  default: 30,
  description: 'Seconds a call may take',
};

const HTTP_AUTH: JsonSchema = {
  type: 'object',
  properties: {
    base_url: {
      type: 'string',
      format: 'uri',
      description: 'Address of the MCP endpoint, for example https://mcp.example.com/mcp',
    },
    api_token: { type: 'string', format: 'password', description: 'Sent as Authorization: Bearer ...' },
    header_name: {
      type: 'string',
      pattern: '^[A-Za-z0-9-]{1,64}$',
      description: 'Another header that the server wants, for example X-API-Key',
    },
    header_value: { type: 'string', format: 'password', description: 'Its value' },
  },
  required: ['base_url'],
  dependentRequired: { header_name: ['header_value'], header_value: ['header_name'] },
  additionalProperties: false,
};

const HTTP_OPTIONS: JsonSchema = { type: 'object', properties: { timeout: TIMEOUT }, additionalProperties: false };

const HTTP_HEADERS = { Authorization: 'Bearer {auth.api_token}', '{auth.header_name}': '{auth.header_value}' };

export const STREAMABLE_HTTP_TYPE_ID = 3;
export const SSE_TYPE_ID = 4;

const HTTP_TYPES: ShippedType[] = [
  {
    ...UNDECLARED,
    id: STREAMABLE_HTTP_TYPE_ID,
    qualifiedName: 'generic/streamable-http',
    displayName: 'MCP server (Streamable HTTP)',
    description: 'Any MCP server that speaks Streamable HTTP',
    providerType: 'generic',
    authSchema: HTTP_AUTH,
    optionsSchema: HTTP_OPTIONS,
    transport: { type: 'streamable_http', url: '{auth.base_url}', headers: HTTP_HEADERS },
  },
  {
    ...UNDECLARED,
    id: SSE_TYPE_ID,
    qualifiedName: 'generic/sse',
    displayName: 'MCP server (SSE, old protocol)',
    description: 'An MCP server of the 2024-11-05 protocol that speaks HTTP with server-sent events',
    providerType: 'generic',
    authSchema: HTTP_AUTH,
    optionsSchema: HTTP_OPTIONS,
    transport: { type: 'sse', url: '{auth.base_url}', headers: HTTP_HEADERS },
  },
];

const STDIO_TYPE: ShippedType = {
  ...UNDECLARED,
  id: 5,
  qualifiedName: 'generic/stdio',
  displayName: 'MCP server (local process)',
  description: 'A program on this machine that speaks MCP over stdio. Only operators may connect one',
  providerType: 'generic',
  authSchema: {
    type: 'object',
    properties: {
      environment: {
        type: 'object',
        description: 'Environment variables of the process; it sees no others',
        propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]{0,63}$' },
        additionalProperties: { type: 'string', format: 'password', maxLength: 8192 },
        maxProperties: 64,
      },
    },
    additionalProperties: false,
  },
  optionsSchema: {
    type: 'object',
    properties: {
      command: { type: 'string', minLength: 1, maxLength: 1024, description: 'Program to start, no shell' },
      args: { type: 'array', items: { type: 'string', maxLength: 4096 }, maxItems: 64, default: [] },
      timeout: TIMEOUT,
    },
    required: ['command'],
    additionalProperties: false,
  },
  transport: { type: 'stdio_from_options' },
};

/** The types of this installation. Processes only where the operator allows them. */
export function shippedTypes(stdioEnabled: boolean): ShippedType[] {
  const types = [...PROVIDERS.map(typeOf), ...HTTP_TYPES, ...wellKnownTypes(stdioEnabled)];
  return stdioEnabled ? [...types, STDIO_TYPE] : types;
}

/** A provider keeps no state between calls: all who may use a connection share its sessions. */
function typeOf({ name, entry }: Provider): ShippedType {
  return {
    ...UNDECLARED,
    ...checkDeclarations(entry, entry.scoping_config_schema),
    id: entry.id,
    qualifiedName: entry.qualified_name,
    displayName: entry.display_name,
    description: entry.description,
    providerType: entry.provider_type,
    supportsWorkspaceScoping: entry.scopes.length > 0,
    scopingConfigSchema: entry.scoping_config_schema,
    authSchema: entry.config_schema.auth,
    optionsSchema: entry.config_schema.options,
    transport: { type: 'builtin', provider: name },
    sessionScope: 'connection',
    category: entry.category,
  };
}
