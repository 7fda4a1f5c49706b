import type { ToolsList } from '../tools-list.js';

export const SERVER_FILESYSTEM_TOOLS: ToolsList = {
  package: '@modelcontextprotocol/server-filesystem',
  version: '2026.8.31',
  sha256: '0a8fd5f2d858cb950e683a37cce47e32006a46bf8f95c29213024db5b2ae52d5',
  tools: [
    {
      name: 'read_file',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string', tail: 'number', head: 'number' },
      required: ['path'],
    },
    {
      name: 'read_text_file',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string', tail: 'number', head: 'number' },
      required: ['path'],
    },
    {
      name: 'read_media_file',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string' },
      required: ['path'],
    },
    {
      name: 'read_multiple_files',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { paths: 'array' },
      required: ['paths'],
    },
    {
      name: 'write_file',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
      properties: { path: 'string', content: 'string' },
      required: ['path', 'content'],
    },
    {
      name: 'edit_file',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
      properties: { path: 'string', edits: 'array', dryRun: 'boolean' },
      required: ['path', 'edits'],
    },
    {
      name: 'create_directory',
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      properties: { path: 'string' },
      required: ['path'],
    },
    {
      name: 'list_directory',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string' },
      required: ['path'],
    },
    {
      name: 'list_directory_with_sizes',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string', sortBy: 'string' },
      required: ['path'],
    },
    {
      name: 'directory_tree',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string', excludePatterns: 'array' },
      required: ['path'],
    },
    {
      name: 'move_file',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
      properties: { source: 'string', destination: 'string' },
      required: ['source', 'destination'],
    },
    {
      name: 'search_files',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string', pattern: 'string', excludePatterns: 'array' },
      required: ['path', 'pattern'],
    },
    {
      name: 'get_file_info',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: { path: 'string' },
      required: ['path'],
    },
    {
      name: 'list_allowed_directories',
      annotations: { readOnlyHint: true, openWorldHint: false },
      properties: {},
      required: [],
    },
  ],
};
