import type { FastifyRequest } from 'fastify';
import { Rejected, RPC } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { DomainError } from '../../platform/http/domain-error.js';

/** The tools that are listed instead of all others, where the address of the endpoint says `?tools=search`. */
export const SEARCH_TOOLS = 'search_tools';
export const CALL_TOOL = 'call_tool';

const USUAL_LIMIT = 5;
const MOST_FOUND = 50;
const LONGEST_QUERY = 1_000;
const MOST_SERVERS_NAMED = 50;

/** Asked of each request: its address says so, in both eras. @throws Rejected for a mode that there is not */
export function isSearchMode({ query }: FastifyRequest): boolean {
  const mode = isObject(query) ? query.tools : undefined;
  if (mode === undefined || mode === 'search') return mode === 'search';
  throw new Rejected(400, RPC.invalidParams, 'The query parameter tools must be search, or be left out');
}

/** @param servers whose tools can be found, so that a model knows what to ask for */
export function searchModeTools(servers: readonly string[]): JsonObject[] {
  const named = servers.slice(0, MOST_SERVERS_NAMED).join(', ');
  return [
    {
      name: SEARCH_TOOLS,
      title: 'Search tools',
      description: `Finds tools by words of their names and descriptions, the best first, with their input schemas. Use what it finds with ${CALL_TOOL}. Tools are of the servers: ${named || 'none'}.`,
      inputSchema: {
        type: 'object',
        properties: {
          query: { type: 'string', description: 'Words, such as "create issue"' },
          limit: { type: 'integer', minimum: 1, maximum: MOST_FOUND, default: USUAL_LIMIT },
        },
        required: ['query'],
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    {
      name: CALL_TOOL,
      title: 'Call a tool',
      description: `Calls a tool that ${SEARCH_TOOLS} found, with arguments that fit its input schema.`,
      inputSchema: {
        type: 'object',
        properties: { name: { type: 'string' }, arguments: { type: 'object' } },
        required: ['name'],
      },
    },
  ];
}

/** @throws DomainError `arguments_invalid` */
export function readSearch(args: unknown): { query: string; limit: number } {
  const { query, limit = USUAL_LIMIT } = isObject(args) ? args : {};
  const fields: Record<string, string[]> = {};
  if (typeof query !== 'string' || query.length > LONGEST_QUERY)
    fields['arguments.query'] = [`must be a string of at most ${LONGEST_QUERY} characters`];
  if (!Number.isInteger(limit) || Number(limit) < 1 || Number(limit) > MOST_FOUND)
    fields['arguments.limit'] = [`must be an integer from 1 to ${MOST_FOUND}`];
  if (Object.keys(fields).length === 0) return { query: query as string, limit: limit as number };
  throw new DomainError('arguments_invalid', 'The arguments do not fit the schema of the tool', { fields });
}

/** What is called by `call_tool`. @throws Rejected */
export function readCall(args: unknown): JsonObject {
  if (isObject(args) && typeof args.name === 'string') return args;
  throw new Rejected(200, RPC.invalidParams, 'params.arguments.name must be a string: the tool to be called');
}
