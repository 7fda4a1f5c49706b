import type { ToolBinding } from '../scopes.js';
import { fieldsOf, npx, optionsOf, UNDECLARED, type WellKnownType } from './entry.js';
import { effectsSourceOf } from './tools-list.js';
import { SERVER_FILESYSTEM_TOOLS } from './tools-lists/server-filesystem.js';

const FOLDER = '/srv/mcp-files';
const AT_PATH: ToolBinding = { arguments: [{ '/path': '{path}' }] };
const LISTED = { kind: 'lines', value: '{path}', structured: '/content' } as const;

export const SERVER_FILESYSTEM: WellKnownType = {
  ...UNDECLARED,
  id: 12,
  qualified_name: 'modelcontextprotocol/server-filesystem',
  display_name: 'Files of a folder',
  description:
    `Reads and writes files below ${FOLDER} on the machine of the product, by the reference server over stdio; grants can be ` +
    'limited to folders below it. For other folders an operator makes a type of their own. Needs npx on the machine.',
  provider_type: 'filesystem',
  category: 'files',
  supports_workspace_scoping: true,
  scoping_config_schema: {
    properties: {
      folders: {
        type: 'array',
        items: { type: 'string' },
        description: 'Folders to allow access to, as absolute paths',
      },
    },
  },
  config_schema: { auth: fieldsOf({}), options: optionsOf() },
  transport: npx(SERVER_FILESYSTEM_TOOLS, {}, [FOLDER]),
  session_scope: 'connection',
  declared_resources: [{ uri: `file://${FOLDER}`, name: 'MCP files', type: 'folder' }],
  tool_effects: {
    read_file: 'read',
    read_text_file: 'read',
    read_media_file: 'read',
    read_multiple_files: 'read',
    list_directory: 'read',
    list_directory_with_sizes: 'read',
    directory_tree: 'read',
    search_files: 'read',
    get_file_info: 'read',
    list_allowed_directories: 'read',
    create_directory: 'write',
    // Replaces passages that the caller has to quote, and nothing else.
    edit_file: 'write',
    // Replaces a whole file without asking.
    write_file: 'destructive',
    move_file: 'destructive',
  },
  scopes: [
    {
      name: 'folder',
      parts: { path: 'path' },
      resources: ['file://{+path}'],
      filters: { folders: '{path}' },
      tools: {
        read_file: AT_PATH,
        read_text_file: AT_PATH,
        read_media_file: AT_PATH,
        read_multiple_files: { arguments: [{ '/paths/*': '{path}' }] },
        list_directory: AT_PATH,
        list_directory_with_sizes: AT_PATH,
        directory_tree: AT_PATH,
        get_file_info: AT_PATH,
        write_file: AT_PATH,
        edit_file: AT_PATH,
        create_directory: AT_PATH,
        move_file: { arguments: [{ '/source': '{path}' }, { '/destination': '{path}' }] },
        search_files: { ...AT_PATH, results: [{ ...LISTED, keep: ['No matches found'] }] },
        list_allowed_directories: { results: [{ ...LISTED, keep: ['Allowed directories:'] }] },
      },
    },
  ],
  effects_source: effectsSourceOf(SERVER_FILESYSTEM_TOOLS),
};
