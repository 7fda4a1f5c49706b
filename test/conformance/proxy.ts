import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Proxy {
  url: string;
  close: () => Promise<void>;
}

/**
 * The suites can send no token, and look tools and prompts up by the names that their server gave them: this adds the one, and
 * takes the other off what the endpoint says, and puts it onto what it is asked. Everything else passes as it is.
 * @param prefix of the public names
 */
export async function startProxy(endpoint: string, token: string, prefix: string): Promise<Proxy> {
  const target = new URL(endpoint);
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing, { target, token, prefix }).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { target, token, prefix }: { target: URL; token: string; prefix: string },
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const named = withPrefix(Buffer.concat(chunks).toString('utf8'), prefix);
  const headers: Record<string, unknown> = { ...incoming.headers, authorization: `Bearer ${token}` };
  // The length changes with the names, and the connection is another one.
  for (const name of ['content-length', 'transfer-encoding', 'connection']) Reflect.deleteProperty(headers, name);
  const name = incoming.headers['mcp-name'];
  if (named.isNamed && typeof name === 'string') headers['mcp-name'] = `${prefix}${name}`;
  if (named.text !== '') headers['content-length'] = Buffer.byteLength(named.text);
  const passed = ask({
    host: target.hostname,
    port: target.port,
    path: target.pathname,
    method: incoming.method,
    headers: headers as Record<string, string>,
  });
  outgoing.once('close', () => passed.destroy());
  passed.once('error', () => outgoing.destroy());
  passed.once('response', (answer) => {
    const { 'content-length': _length, ...rest } = answer.headers;
    outgoing.writeHead(answer.statusCode ?? 502, rest);
    outgoing.flushHeaders();
    answer.setEncoding('utf8');
    // Events end with an empty line, and a name is never in two of them.
    let held = '';
    answer.on('data', (text: string) => {
      held += text;
      const end = held.lastIndexOf('\n') + 1;
      outgoing.write(withoutPrefix(held.slice(0, end), prefix));
      held = held.slice(end);
    });
    answer.once('end', () => outgoing.end(withoutPrefix(held, prefix)));
    answer.once('error', () => outgoing.destroy());
  });
  passed.end(named.text);
}

function withPrefix(text: string, prefix: string): { text: string; isNamed: boolean } {
  let message: { method?: string; params?: { name?: string; ref?: { type?: string; name?: string } } };
  try {
    message = JSON.parse(text) as typeof message;
  } catch {
    return { text, isNamed: false };
  }
  const { method, params } = message;
  const isNamed = (method === 'tools/call' || method === 'prompts/get') && typeof params?.name === 'string';
  if (isNamed) params.name = `${prefix}${params.name}`;
  if (params?.ref?.type === 'ref/prompt') params.ref.name = `${prefix}${params.ref.name}`;
  return { text: JSON.stringify(message), isNamed };
}

function withoutPrefix(text: string, prefix: string): string {
  return text.replaceAll(`"name":"${prefix}`, '"name":"');
}
