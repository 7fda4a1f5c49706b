import { fieldsOf, npx, optionsOf, UNDECLARED, type WellKnownType } from './entry.js';
import { effectsSourceOf } from './tools-list.js';
import { SENTRY_TOOLS } from './tools-lists/sentry.js';

/** One of its tools runs other tools by name and several take addresses, so no place in the arguments can be trusted to scope it. */
export const SENTRY: WellKnownType = {
  ...UNDECLARED,
  id: 15,
  qualified_name: 'sentry/mcp-server',
  display_name: 'Sentry',
  description:
    "Issues, events and projects of Sentry, by Sentry's own server over stdio, which reports telemetry of its own to Sentry. " +
    'What it reaches is what the token may. Needs npx on the machine.',
  provider_type: 'sentry',
  config_schema: {
    auth: fieldsOf(
      { access_token: { type: 'string', format: 'password', minLength: 1, description: 'User auth token' } },
      ['access_token'],
    ),
    options: optionsOf({
      host: {
        type: 'string',
        format: 'hostname',
        description: 'Of a self-hosted Sentry, for example sentry.example.com',
      },
    }),
  },
  transport: npx(SENTRY_TOOLS, { SENTRY_ACCESS_TOKEN: '{auth.access_token}', SENTRY_HOST: '{options.host}' }),
  session_scope: 'connection',
  tool_effects: {
    find_organizations: 'read',
    find_projects: 'read',
    search_events: 'read',
    search_issues: 'read',
    get_sentry_resource: 'read',
    search_sentry_tools: 'read',
    // State and assignee of an issue, which can be set back.
    update_issue: 'write',
    // Starts an analysis at Sentry, which may cost something.
    analyze_issue_with_seer: 'write',
    // Runs whichever tool it is told to.
    execute_sentry_tool: 'destructive',
  },
  effects_source: effectsSourceOf(SENTRY_TOOLS),
};
