import type { DeclaredResource, Scope, VerifiedEffect } from '../scopes.js';
import type { JsonSchema, Transport } from '../transport.js';
import type { EffectsSource, ToolsList } from './tools-list.js';

/** A server type that ships with the product as data, in the words of `POST /api/v1/mcp/registry/`. */
export interface WellKnownType {
  /** Part of the API, so never changed: 10 to 99. */
  id: number;
  qualified_name: string;
  display_name: string;
  description: string;
  provider_type: string;
  category: string;
  supports_workspace_scoping: boolean;
  scoping_config_schema: JsonSchema;
  config_schema: { auth: JsonSchema; options: JsonSchema };
  transport: Exclude<Transport, { type: 'builtin' | 'stdio_from_options' }>;
  session_scope: 'principal' | 'connection';
  scopes: Scope[];
  tool_effects: Record<string, VerifiedEffect>;
  declared_resources: DeclaredResource[];
  /** Null: nobody could read the list of its tools, so it declares no effects. */
  effects_source: EffectsSource | null;
}

/** Of types that declare nothing for policy. */
export const UNDECLARED = {
  category: 'utility',
  supports_workspace_scoping: false,
  scoping_config_schema: {},
  session_scope: 'principal',
  scopes: [],
  tool_effects: {},
  declared_resources: [],
  effects_source: null,
} satisfies Partial<WellKnownType>;

/** What descriptions say of types without `effects_source`. */
export const UNVERIFIED =
  'Effects of its tools are unverified: every tool counts as write, or as destructive where the server says so, ' +
  'until an admin sets its effect.';

const TIMEOUT = { type: 'integer', minimum: 1, maximum: 600, default: 30, description: 'Seconds a call may take' };

/** An object schema that takes nothing else. */
export function fieldsOf(properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

/** `config_options`: the time a call may take, and what the type adds to it. */
export function optionsOf(properties: Record<string, JsonSchema> = {}, required: string[] = []): JsonSchema {
  return fieldsOf({ ...properties, timeout: TIMEOUT }, required);
}

/** Starts exactly the version that the list was read from. What people enter goes into the environment alone. */
export function npx(
  list: ToolsList,
  env: Record<string, string>,
  args: readonly string[] = [],
): WellKnownType['transport'] {
  return {
    type: 'stdio',
    command: 'npx',
    args: ['-y', `${list.package}@${list.version}`, ...(list.args ?? []), ...args],
    env,
  };
}
