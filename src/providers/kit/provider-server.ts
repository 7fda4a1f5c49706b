import { ProtocolError, Server } from '@modelcontextprotocol/server';
import { FAILURE_FIELD, FAILURE_REASON, FAILURE_RETRY_AFTER } from '../../mcp/builtin-server.js';
import { metaOfItemsPage, RESOURCE_META, windowIn } from '../../mcp/provider-meta.js';
import { wireFailure } from '../../mcp/wire-failure.js';
import type { ProviderResource, ProviderResources } from './resources.js';
import { ToolFailure, WindowFailure, type ProviderTool } from './tool.js';

export interface ProviderServerOptions {
  /** `version` is that of the system behind it. */
  info: { name: string; title: string; version: string };
  /** For agents: what it is for, and how its tools go together. */
  instructions: string;
  tools: readonly ProviderTool[];
  resources: ProviderResources;
}

/** JSON-RPC 2.0, section 5.1; and MCP 2025-11-25, Resources, Error Handling. */
const INVALID_PARAMS = -32_602;
const INTERNAL_ERROR = -32_603;
const RESOURCE_NOT_FOUND = -32_002;

/** The MCP server of a provider, from its tools and resources. */
export function providerServer({ info, instructions, tools, resources }: ProviderServerOptions): Server {
  const server = new Server(info, { capabilities: { tools: {}, resources: {} }, instructions });
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const listed = tools.map(({ run: _run, ...definition }) => definition);
  server.setRequestHandler('tools/list', () => ({ tools: listed }));
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const tool = byName.get(params.name);
    if (!tool) throw new ProtocolError(INVALID_PARAMS, `There is no tool ${params.name}`);
    try {
      const result = await tool.run(params.arguments ?? {}, { signal: mcpReq.signal });
      return { content: [{ type: 'text' as const, text: JSON.stringify(result) }], structuredContent: result };
    } catch (error) {
      if (!(error instanceof ToolFailure)) throw unreachable(error);
      return { content: [{ type: 'text' as const, text: error.message }], isError: true };
    }
  });
  server.setRequestHandler('resources/list', async ({ params }, { mcpReq }) => {
    const { resources: page, nextCursor } = await resources.list(params?.cursor, mcpReq.signal).catch(refused);
    return { resources: page.map(toListed), ...(nextCursor === undefined ? {} : { nextCursor }) };
  });
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: resources.templates.map(({ type, ...template }) => ({
      ...template,
      _meta: { [RESOURCE_META]: { type } },
    })),
  }));
  server.setRequestHandler('resources/read', async ({ params }, { mcpReq }) => {
    const { uri } = params;
    const reading = await resources.read(uri, windowIn(params._meta), mcpReq.signal).catch(refused);
    if (reading === null) throw new ProtocolError(RESOURCE_NOT_FOUND, 'There is no such resource', { uri });
    if (reading.kind === 'text') return { contents: [{ uri, mimeType: reading.mimeType, text: reading.text }] };
    if (reading.kind === 'blob') return { contents: [{ uri, mimeType: reading.mimeType, blob: reading.base64 }] };
    return {
      contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(reading.items) }],
      _meta: metaOfItemsPage(reading),
    };
  });
  return server;
}

function toListed({ type, parent, externalId, operations, schema, ...listed }: ProviderResource): {
  uri: string;
  name: string;
} {
  const meta = { type, parent, external_id: externalId, operations, schema };
  return { ...listed, _meta: { [RESOURCE_META]: meta } } as { uri: string; name: string };
}

/** Resources have no errors but those of the protocol. */
function refused(error: unknown): never {
  if (error instanceof WindowFailure)
    throw new ProtocolError(INVALID_PARAMS, error.message, { [FAILURE_FIELD]: error.field });
  if (!(error instanceof ToolFailure)) throw unreachable(error);
  const { message, reason, retryAfterSeconds } = error;
  if (reason === undefined) throw new ProtocolError(INTERNAL_ERROR, message);
  const wait = retryAfterSeconds === undefined ? {} : { [FAILURE_RETRY_AFTER]: retryAfterSeconds };
  throw new ProtocolError(INTERNAL_ERROR, message, { [FAILURE_REASON]: reason, ...wait });
}

/** That the system behind could not be used is told as it would be of a server elsewhere. */
function unreachable(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const { reason, message } = wireFailure(error);
  return new ProtocolError(INTERNAL_ERROR, message, { [FAILURE_REASON]: reason });
}
