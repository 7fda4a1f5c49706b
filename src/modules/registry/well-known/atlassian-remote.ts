import { fieldsOf, optionsOf, UNDECLARED, UNVERIFIED, type WellKnownType } from './entry.js';

/** Its tools can be listed only with an account, so nothing is declared about them. */
export const ATLASSIAN_REMOTE: WellKnownType = {
  ...UNDECLARED,
  id: 11,
  qualified_name: 'atlassian/remote-mcp-server',
  display_name: 'Atlassian (remote server)',
  description:
    'The MCP server that Atlassian runs for Jira, Confluence and Compass Cloud; an organization admin of Atlassian has to allow ' +
    `API tokens. ${UNVERIFIED} Its arguments are not scoped: jira/mcp-server, which ships with the product, limits grants to ` +
    'projects.',
  provider_type: 'atlassian',
  config_schema: {
    auth: fieldsOf(
      {
        scheme: {
          enum: ['Bearer', 'Basic'],
          description:
            'Bearer for the API key of a service account or an OAuth token, Basic for the API token of a person',
        },
        api_token: {
          type: 'string',
          format: 'password',
          minLength: 1,
          description: 'With Basic: base64 of e-mail address, colon and API token',
        },
      },
      ['scheme', 'api_token'],
    ),
    options: optionsOf(),
  },
  transport: {
    type: 'streamable_http',
    url: 'https://mcp.atlassian.com/v1/mcp',
    headers: { Authorization: '{auth.scheme} {auth.api_token}' },
  },
};
