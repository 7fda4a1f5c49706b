import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that reached a test server. */
export interface JournalEntry {
  /** HTTP method. */
  http: string;
  /** JSON-RPC method, or `response` for an answer of the client, or undefined where there was no body. */
  method: string | undefined;
  id: unknown;
  params: Record<string, unknown> | undefined;
  headers: IncomingMessage['headers'];
  /** Set when the client closed the connection before the answer was complete. */
  aborted: boolean;
}

/** A running test server. */
export interface Upstream {
  /** Where MCP is served. */
  url: string;
  /** Everything that reached it, in order. */
  journal: JournalEntry[];
  /** Cuts all connections, as a network failure would; the server stays. */
  dropConnections: () => void;
  close: () => Promise<void>;
}

export type HttpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
  entry: JournalEntry,
) => void | Promise<void>;

/** Serves on a loopback port, a random one unless given, reads JSON bodies and keeps the journal. */
export async function serve(path: string, handler: HttpHandler, port = 0): Promise<Upstream> {
  const journal: JournalEntry[] = [];
  const server = createServer((request, response) => {
    void take(request, response, journal, handler).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  const url = `http://127.0.0.1:${await listen(server, port)}${path}`;
  return { url, journal, dropConnections: () => server.closeAllConnections(), close: () => close(server) };
}

async function take(
  request: IncomingMessage,
  response: ServerResponse,
  journal: JournalEntry[],
  handler: HttpHandler,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  const entry = entryOf(request, body);
  journal.push(entry);
  response.once('close', () => (entry.aborted = !response.writableFinished));
  await handler(request, response, body, entry);
}

function entryOf(request: IncomingMessage, body: unknown): JournalEntry {
  const message = (body ?? {}) as { method?: string; id?: unknown; params?: Record<string, unknown> };
  const method = message.method ?? (body === undefined ? undefined : 'response');
  const { headers } = request;
  return { http: request.method ?? '', method, id: message.id, params: message.params, headers, aborted: false };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
