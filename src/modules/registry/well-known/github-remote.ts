import { fieldsOf, optionsOf, UNDECLARED, UNVERIFIED, type WellKnownType } from './entry.js';

/** Its tools can be listed only with an account, so nothing is declared about them. */
export const GITHUB_REMOTE: WellKnownType = {
  ...UNDECLARED,
  id: 10,
  qualified_name: 'github/remote-mcp-server',
  display_name: 'GitHub (remote server)',
  description:
    `The MCP server that GitHub runs, with a personal access token or an OAuth token. ${UNVERIFIED} Its arguments are not ` +
    'scoped: github/mcp-server, which ships with the product, limits grants to repositories.',
  provider_type: 'github',
  config_schema: {
    auth: fieldsOf(
      {
        api_token: {
          type: 'string',
          format: 'password',
          minLength: 1,
          description: 'Sent as Authorization: Bearer ...',
        },
      },
      ['api_token'],
    ),
    options: optionsOf({
      toolsets: {
        type: 'string',
        pattern: '^[a-z_]{1,64}(,[a-z_]{1,64}){0,31}$',
        description: 'Toolsets that the server offers, for example repos,issues; left out: its own choice',
      },
      readonly: { type: 'boolean', description: 'true: the server offers only tools that read' },
    }),
  },
  transport: {
    type: 'streamable_http',
    url: 'https://api.githubcopilot.com/mcp/',
    headers: {
      Authorization: 'Bearer {auth.api_token}',
      'X-MCP-Toolsets': '{options.toolsets}',
      'X-MCP-Readonly': '{options.readonly}',
    },
  },
};
