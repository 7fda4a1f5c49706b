import { fieldsOf, npx, optionsOf, UNDECLARED, type WellKnownType } from './entry.js';
import { effectsSourceOf } from './tools-list.js';
import { SERVER_MEMORY_TOOLS } from './tools-lists/server-memory.js';

/** Nothing in its arguments says whose memory it is, so there is no scope: a connection is one memory. */
export const SERVER_MEMORY: WellKnownType = {
  ...UNDECLARED,
  id: 13,
  qualified_name: 'modelcontextprotocol/server-memory',
  display_name: 'Memory',
  description:
    'A knowledge graph in one file on the machine of the product, by the reference server over stdio. Whoever may use the ' +
    'connection shares it. Needs npx on the machine.',
  provider_type: 'memory',
  config_schema: {
    auth: fieldsOf({}),
    options: optionsOf(
      { memory_file: { type: 'string', pattern: '^/', maxLength: 1024, description: 'Absolute path of the file' } },
      ['memory_file'],
    ),
  },
  transport: npx(SERVER_MEMORY_TOOLS, { MEMORY_FILE_PATH: '{options.memory_file}' }),
  session_scope: 'connection',
  tool_effects: {
    create_entities: 'write',
    create_relations: 'write',
    add_observations: 'write',
    delete_entities: 'destructive',
    delete_observations: 'destructive',
    delete_relations: 'destructive',
    read_graph: 'read',
    search_nodes: 'read',
    open_nodes: 'read',
  },
  effects_source: effectsSourceOf(SERVER_MEMORY_TOOLS),
};
