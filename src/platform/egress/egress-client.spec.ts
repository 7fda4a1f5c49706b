import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { McpServer } from '@modelcontextprotocol/server';
import { createRemoteJWKSet, customFetch, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { EgressClient } from './egress-client.js';

const client = new EgressClient({ allow: ['127.0.0.0/8'], userAgent: 'egress-spec' });
const servers: Server[] = [];

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

afterAll(async () => {
  await client.close();
  for (const server of servers) server.close().closeAllConnections();
});

describe('fetch', () => {
  it('sends method, headers and body, and nothing the caller did not pass but the usual four', async () => {
    const origin = await serve((request, response) => {
      void bodyOf(request).then((body) =>
        response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body })),
      );
    });
    const response = await client.fetch(`${origin}/mcp?x=1#fragment`, {
      method: 'post',
      headers: new Headers({ authorization: 'Bearer t', 'content-type': 'application/json' }),
      body: '{"ä":1}',
    });
    expect(response.status).toBe(200);
    expect(response.url).toBe(`${origin}/mcp?x=1`);
    expect(await response.json()).toEqual({
      method: 'POST',
      url: '/mcp?x=1',
      body: '{"ä":1}',
      headers: {
        host: new URL(origin).host,
        connection: 'keep-alive',
        authorization: 'Bearer t',
        'content-type': 'application/json',
        'content-length': '8',
        accept: '*/*',
        'accept-encoding': 'gzip, deflate, br',
        'user-agent': 'egress-spec',
      },
    });
  });

  it('takes form fields and bytes as body', async () => {
    const origin = await serve((request, response) => {
      void bodyOf(request).then((body) => response.end(`${request.headers['content-type'] ?? 'none'}|${body}`));
    });
    const form = await client.fetch(origin, { method: 'POST', body: new URLSearchParams({ a: 'b c' }) });
    expect(await form.text()).toBe('application/x-www-form-urlencoded;charset=UTF-8|a=b+c');
    const bytes = await client.fetch(origin, { method: 'POST', body: new Uint8Array([104, 105]) });
    expect(await bytes.text()).toBe('none|hi');
  });

  it('keeps connections alive', async () => {
    const ports = new Set<number | undefined>();
    const origin = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      response.end('ok');
    });
    for (let at = 0; at < 20; at++) await client.fetch(origin);
    // undici lets a connection rest for one turn of the event loop, so two take turns.
    expect(ports.size).toBeLessThanOrEqual(2);
  });

  it('answers a response that behaves like that of fetch', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/none') return void response.writeHead(204).end();
      response.writeHead(
        404,
        'Nope',
        [
          ['X-A', '1'],
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
          ['X-A', '2'],
        ].flat(),
      );
      response.end('{"error":"none"}');
    });
    const response = await client.fetch(origin);
    expect([response.ok, response.status, response.statusText, response.redirected]).toEqual([
      false,
      404,
      'Nope',
      false,
    ]);
    expect(response.headers.get('x-a')).toBe('1, 2');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await response.clone().json()).toEqual({ error: 'none' });
    expect(response.bodyUsed).toBe(false);
    const chunks: string[] = [];
    for await (const chunk of response.body ?? []) chunks.push(Buffer.from(chunk).toString());
    expect(chunks).toEqual(['{"error":"none"}']);
    const again = await client.fetch(origin);
    expect(Buffer.from(await again.arrayBuffer()).toString()).toBe('{"error":"none"}');
    await expect(again.text()).rejects.toThrow(TypeError);
    const empty = await client.fetch(`${origin}/none`);
    expect([empty.status, empty.body, await empty.text()]).toEqual([204, null, '']);
  });

  it('decompresses gzip, deflate in both forms and brotli', async () => {
    const text = 'hello '.repeat(10_000);
    const bodies: Record<string, [string, Buffer]> = {
      '/gzip': ['gzip', gzipSync(text)],
      '/x-gzip': ['X-GZIP', gzipSync(text)],
      '/deflate': ['deflate', deflateSync(text)],
      '/raw': ['deflate', deflateRawSync(text)],
      '/br': ['br', brotliCompressSync(text)],
      '/identity': ['identity', Buffer.from(text)],
    };
    const origin = await serve((request, response) => {
      const [encoding, body] = bodies[request.url ?? ''] ?? ['', Buffer.alloc(0)];
      response.writeHead(200, { 'content-encoding': encoding }).end(body);
    });
    for (const path of Object.keys(bodies)) expect(await (await client.fetch(origin + path)).text()).toBe(text);
  });

  it('answers HEAD without waiting for the body its length announces', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': String(100 * 1024 * 1024) }).end();
    });
    const response = await client.fetch(origin, { method: 'HEAD' });
    expect(response.headers.get('content-length')).toBe('104857600');
  });

  it.each([
    ['a line break', 'x-a', 'b\r\nx-evil: 1'],
    ['a NUL', 'x-a', 'b\0'],
    ['letters outside Latin-1', 'x-a', 'b\u{1F600}'],
  ])('refuses header values with %s without repeating them', async (_what, name, value) => {
    const sent = client.fetch('http://127.0.0.1:9/', { headers: { [name]: value } });
    await expect(sent).rejects.toMatchObject({
      reason: 'invalid_header',
      message: 'The value of the header x-a contains characters it must not.',
    });
  });

  it.each(['Host', 'Connection', 'Transfer-Encoding', 'Upgrade', 'TE', 'Expect', 'Proxy-Authorization'])(
    'refuses the header %s, which decides about the connection',
    async (name) => {
      await expect(client.fetch('http://127.0.0.1:9/', { headers: [[name, 'x']] })).rejects.toMatchObject({
        reason: 'invalid_header',
      });
    },
  );
});

describe('redirects', () => {
  let origin: string;
  const seen: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const [, status = '200', target = ''] = (request.url ?? '').split('/');
    seen.push(`${request.method} ${request.url} ${request.headers['content-type'] ?? '-'} ${body}`);
    if (status === 'end') response.end('arrived');
    else response.writeHead(Number(status), { location: decodeURIComponent(target) }).end();
  };
  const to = (status: number, target: string): string => `${origin}/${status}/${encodeURIComponent(target)}`;
  const post = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };

  beforeAll(async () => {
    origin = await serve((request, response) => {
      void bodyOf(request).then((body) => answer(request, response, body));
    });
  });
  beforeEach(() => seen.splice(0));

  it('keep method and body with 307 and 308', async () => {
    const response = await client.fetch(to(307, '/end'), post);
    expect([await response.text(), response.redirected, response.url]).toEqual(['arrived', true, `${origin}/end`]);
    expect(seen[1]).toBe('POST /end application/json {}');
  });

  it('turn a POST into a GET without body with 301, 302 and 303', async () => {
    for (const status of [301, 302, 303]) await client.fetch(to(status, '/end'), post);
    expect(seen.filter((line) => line.includes('/end'))).toEqual(Array(3).fill('GET /end - '));
  });

  it.each([
    ['metadata', 'http://169.254.169.254/latest/'],
    ['another origin', 'http://example.com/'],
    ['another scheme', 'https://127.0.0.1/'],
    ['a protocol-relative host', '//example.com/'],
    ['no URL', 'http://'],
    ['a file', 'file:///etc/passwd'],
  ])('to %s are refused', async (_what, target) => {
    await expect(client.fetch(to(302, target))).rejects.toMatchObject({ reason: 'redirect_refused' });
    expect(seen).toHaveLength(1);
  });

  it('with user info are refused without repeating it', async () => {
    const target = origin.replace('://', '://user:hunter2@');
    await expect(client.fetch(to(302, target))).rejects.toMatchObject({
      reason: 'redirect_refused',
      message: expect.not.stringContaining('hunter2'),
    });
  });

  it('are followed three times and no more', async () => {
    const loop = await serve((request, response) => {
      seen.push(request.url ?? '');
      response.writeHead(302, { location: `${request.url}x` }).end();
    });
    await expect(client.fetch(`${loop}/`)).rejects.toMatchObject({ reason: 'redirect_refused' });
    expect(seen).toEqual(['/', '/x', '/xx', '/xxx']);
  });

  it('are answered as they are or refused when the caller says so', async () => {
    const manual = await client.fetch(to(302, 'http://example.com/'), { redirect: 'manual' });
    expect([manual.status, manual.headers.get('location')]).toEqual([302, 'http://example.com/']);
    const refused = client.fetch(to(302, '/end'), { redirect: 'error' });
    await expect(refused).rejects.toMatchObject({ reason: 'redirect_refused' });
  });
});

describe('as the fetch of other libraries', () => {
  it.each([true, false])(
    'carries an MCP session over Streamable HTTP (JSON answers: %p)',
    async (enableJsonResponse) => {
      const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: () => 'session-1',
        enableJsonResponse,
      });
      const mcp = new McpServer({ name: 'upstream', version: '1' });
      mcp.registerTool('greet', { description: 'Greets' }, () => ({ content: [{ type: 'text', text: 'hello' }] }));
      await mcp.connect(transport);
      const origin = await serve((request, response) => void transport.handleRequest(request, response));
      const southbound = new Client({ name: 'gateway', version: '1' });
      await southbound.connect(new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { fetch: client.fetch }));
      const result = await southbound.callTool({ name: 'greet', arguments: {} });
      expect(result.content).toEqual([{ type: 'text', text: 'hello' }]);
      await southbound.close();
      await mcp.close();
    },
  );

  it('fetches a key set for jose', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' };
    const origin = await serve((_request, response) => response.end(JSON.stringify({ keys: [jwk] })));
    const keys = createRemoteJWKSet(new URL(`${origin}/jwks`), { [customFetch]: client.fetch });
    const token = await new SignJWT({ sub: 'u' }).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(privateKey);
    expect((await jwtVerify(token, keys)).payload.sub).toBe('u');
  });
});
