import type { ServerType } from '../server-type.entity.js';
import { ATLASSIAN_REMOTE } from './atlassian-remote.js';
import type { WellKnownType } from './entry.js';
import { GITHUB_REMOTE } from './github-remote.js';
import { KUBERNETES } from './kubernetes.js';
import { NOTION } from './notion.js';
import { PLAYWRIGHT } from './playwright.js';
import { SENTRY } from './sentry.js';
import { SERVER_FILESYSTEM } from './server-filesystem.js';
import { SERVER_MEMORY } from './server-memory.js';

/** Servers of others that are ready to connect (docs/server-types.md). */
export const WELL_KNOWN: readonly WellKnownType[] = [
  GITHUB_REMOTE,
  ATLASSIAN_REMOTE,
  SERVER_FILESYSTEM,
  SERVER_MEMORY,
  NOTION,
  SENTRY,
  KUBERNETES,
  PLAYWRIGHT,
];

/** Rows of the types that ship; those that are processes only where these are allowed. */
export function wellKnownTypes(
  stdioEnabled: boolean,
): Omit<ServerType, 'organization' | 'organizationId' | 'createdAt'>[] {
  return WELL_KNOWN.filter(({ transport }) => stdioEnabled || transport.type !== 'stdio').map(rowOf);
}

function rowOf(type: WellKnownType): ReturnType<typeof wellKnownTypes>[number] {
  return {
    id: type.id,
    qualifiedName: type.qualified_name,
    displayName: type.display_name,
    description: type.description,
    providerType: type.provider_type,
    category: type.category,
    supportsWorkspaceScoping: type.supports_workspace_scoping,
    scopingConfigSchema: type.scoping_config_schema,
    authSchema: type.config_schema.auth,
    optionsSchema: type.config_schema.options,
    transport: type.transport,
    sessionScope: type.session_scope,
    // Effects are read from what the tools do, or there are none.
    trustAnnotations: false,
    scopes: type.scopes,
    toolEffects: type.tool_effects,
    effectsSource: type.effects_source,
    declaredResources: type.declared_resources,
    priceBook: {},
  };
}
