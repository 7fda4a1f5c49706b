/** The `jira/mcp-server` of the specification, word for word. */
export const JIRA_SCOPING = {
  properties: {
    project_keys: {
      type: 'array',
      items: { type: 'string' },
      description: 'List of Jira project keys to allow access to',
    },
  },
};

export const JIRA_CONFIG = {
  auth: {
    type: 'object',
    properties: { api_token: { type: 'string', format: 'password' }, base_url: { type: 'string', format: 'uri' } },
    required: ['api_token', 'base_url'],
  },
  options: { type: 'object', properties: { timeout: { type: 'integer', default: 30 } } },
};

/** A request body that makes the specification's Jira type. */
export function jiraType(more: object = {}): Record<string, unknown> {
  return {
    qualified_name: 'jira/mcp-server',
    display_name: 'Jira Server',
    description: 'Connect to Jira Cloud or Server instances',
    provider_type: 'jira',
    supports_workspace_scoping: true,
    scoping_config_schema: JIRA_SCOPING,
    config_schema: JIRA_CONFIG,
    transport: {
      type: 'streamable_http',
      url: '{auth.base_url}',
      headers: { Authorization: 'Bearer {auth.api_token}' },
    },
    ...more,
  };
}

/** A type whose servers are processes of a program, with one environment variable `TOKEN`. */
export function processType(name: string, command: string, args: string[] = []): Record<string, unknown> {
  return {
    qualified_name: name,
    display_name: name,
    provider_type: 'local',
    config_schema: {
      auth: { type: 'object', properties: { token: { type: 'string', format: 'password' } } },
      options: { type: 'object', properties: { timeout: { type: 'integer', minimum: 1 } } },
    },
    transport: { type: 'stdio', command, args, env: { TOKEN: '{auth.token}' } },
  };
}
