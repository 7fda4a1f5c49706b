import { fieldsOf, npx, optionsOf, UNDECLARED, type WellKnownType } from './entry.js';
import { effectsSourceOf } from './tools-list.js';
import { NOTION_TOOLS } from './tools-lists/notion.js';

/** Its arguments are ids of pages and blocks that say nothing of where these belong, so there is no scope. */
export const NOTION: WellKnownType = {
  ...UNDECLARED,
  id: 14,
  qualified_name: 'notion/notion-mcp-server',
  display_name: 'Notion',
  description:
    "Pages, blocks and data sources of Notion, by Notion's own server over stdio. What it reaches is what was shared with the " +
    'integration whose token it has. Needs npx and Node.js 22.13 or later on the machine.',
  provider_type: 'notion',
  config_schema: {
    auth: fieldsOf(
      {
        api_token: {
          type: 'string',
          format: 'password',
          minLength: 1,
          description: 'Token of an internal integration',
        },
      },
      ['api_token'],
    ),
    options: optionsOf(),
  },
  transport: npx(NOTION_TOOLS, { NOTION_TOKEN: '{auth.api_token}' }),
  session_scope: 'connection',
  tool_effects: {
    'API-get-user': 'read',
    'API-get-users': 'read',
    'API-get-self': 'read',
    // The server calls whatever is a POST destructive; these two only read.
    'API-post-search': 'read',
    'API-query-data-source': 'read',
    'API-get-block-children': 'read',
    'API-retrieve-a-block': 'read',
    'API-retrieve-a-page': 'read',
    'API-retrieve-a-page-property': 'read',
    'API-retrieve-page-markdown': 'read',
    'API-retrieve-a-comment': 'read',
    'API-retrieve-a-data-source': 'read',
    'API-list-data-source-templates': 'read',
    'API-retrieve-a-database': 'read',
    'API-patch-block-children': 'write',
    'API-post-page': 'write',
    'API-move-page': 'write',
    'API-create-a-comment': 'write',
    'API-create-a-data-source': 'write',
    // These replace or remove content: a block or a page can be archived by an update, a column dropped with its values.
    'API-update-a-block': 'destructive',
    'API-delete-a-block': 'destructive',
    'API-patch-page': 'destructive',
    'API-update-a-data-source': 'destructive',
    'API-update-page-markdown': 'destructive',
  },
  effects_source: effectsSourceOf(NOTION_TOOLS),
};
