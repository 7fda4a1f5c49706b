import type { ProviderEntry } from '../provider.js';
import { JIRA_SCOPES } from './jira-scopes.js';

const TEXTS = { type: 'array', items: { type: 'string' } };

/** The server type as the API shows it. */
export const JIRA_ENTRY: ProviderEntry = {
  id: 1,
  qualified_name: 'jira/mcp-server',
  display_name: 'Jira Server',
  description: 'Connect to Jira Cloud or Server instances',
  provider_type: 'jira',
  category: 'project-management',
  scoping_config_schema: {
    properties: {
      project_keys: { ...TEXTS, description: 'List of Jira project keys to allow access to' },
      issue_types: { ...TEXTS, description: 'List of Jira issue types to allow access to' },
    },
  },
  config_schema: {
    auth: {
      type: 'object',
      properties: {
        api_token: { type: 'string', format: 'password' },
        base_url: { type: 'string', format: 'uri' },
        email: {
          type: 'string',
          format: 'email',
          description:
            'Account of the API token at Jira Cloud; leave it out for a personal access token of Data Center',
        },
      },
      required: ['api_token', 'base_url'],
    },
    options: {
      type: 'object',
      properties: { timeout: { type: 'integer', default: 30 } },
    },
  },
  scopes: JIRA_SCOPES,
  tool_effects: {
    search_issues: 'read',
    get_issue: 'read',
    list_projects: 'read',
    list_issue_types: 'read',
    create_issue: 'write',
    update_issue: 'write',
    transition_issue: 'write',
    add_comment: 'write',
  },
};
