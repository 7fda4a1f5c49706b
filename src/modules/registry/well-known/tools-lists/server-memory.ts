import type { ToolsList } from '../tools-list.js';

export const SERVER_MEMORY_TOOLS: ToolsList = {
  package: '@modelcontextprotocol/server-memory',
  version: '2026.8.31',
  sha256: '621fa223ec1c6b39dbd22573f7d15dd4b57746d4e8d5fd9f64cd267f73ae4d2c',
  tools: [
    {
      name: 'create_entities',
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
      properties: { entities: 'array' },
      required: ['entities'],
    },
    {
      name: 'create_relations',
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
      properties: { relations: 'array' },
      required: ['relations'],
    },
    {
      name: 'add_observations',
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
      properties: { observations: 'array' },
      required: ['observations'],
    },
    {
      name: 'delete_entities',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
      properties: { entityNames: 'array' },
      required: ['entityNames'],
    },
    {
      name: 'delete_observations',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
      properties: { deletions: 'array' },
      required: ['deletions'],
    },
    {
      name: 'delete_relations',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
      properties: { relations: 'array' },
      required: ['relations'],
    },
    {
      name: 'read_graph',
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      properties: {},
      required: [],
    },
    {
      name: 'search_nodes',
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      properties: { query: 'string' },
      required: ['query'],
    },
    {
      name: 'open_nodes',
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      properties: { names: 'array' },
      required: ['names'],
    },
  ],
};
