import type { Provider } from '../provider.js';
import { DEFAULT_API_URL } from './api-address.js';
import { GITHUB_SCOPES, TOOL_EFFECTS } from './github-scope.js';
import { startGitHub } from './start.js';

const texts = (description: string): object => ({ type: 'array', items: { type: 'string' }, description });

/** github.com, GitHub Enterprise Cloud and GitHub Enterprise Server, over their REST API. */
export const GITHUB: Provider = {
  name: 'github',
  entry: {
    id: 2,
    qualified_name: 'github/mcp-server',
    display_name: 'GitHub Server',
    description: 'Issues, pull requests, code and branches of repositories at github.com or GitHub Enterprise Server',
    provider_type: 'github',
    category: 'development',
    scoping_config_schema: {
      type: 'object',
      properties: {
        repositories: texts('Repositories, as owner/repo'),
        organizations: texts('Owners of repositories: organizations or users'),
      },
    },
    config_schema: {
      auth: {
        type: 'object',
        properties: {
          api_token: {
            type: 'string',
            format: 'password',
            minLength: 1,
            description: 'A personal access token, fine-grained or classic, or the token of an app installation',
          },
          base_url: {
            type: 'string',
            format: 'uri',
            default: DEFAULT_API_URL,
            description: 'Address of the API; of a GitHub Enterprise Server for example https://github.example.com',
          },
        },
        required: ['api_token'],
        additionalProperties: false,
      },
      options: {
        type: 'object',
        properties: {
          timeout: {
            type: 'integer',
            minimum: 1,
            maximum: 600,
            default: 30,
            description: 'Seconds a call may take',
          },
        },
        additionalProperties: false,
      },
    },
    scopes: GITHUB_SCOPES,
    tool_effects: TOOL_EFFECTS,
  },
  start: startGitHub,
};
