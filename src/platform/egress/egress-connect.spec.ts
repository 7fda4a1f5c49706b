import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { EgressClient, type EgressOptions } from './egress-client.js';

const clients: EgressClient[] = [];
const servers: (Server | TcpServer)[] = [];

function clientWith(options: EgressOptions): EgressClient {
  const client = new EgressClient(options);
  clients.push(client);
  return client;
}

async function listening(server: Server | TcpServer, host = '127.0.0.1'): Promise<number> {
  servers.push(server);
  server.listen(0, host);
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  for (const server of servers) {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  }
});

describe('name resolution', () => {
  let port: number;
  let hosts: (string | undefined)[] = [];

  beforeAll(async () => {
    port = await listening(
      createServer((request, response) => {
        hosts.push(request.headers.host);
        response.end('inside');
      }),
    );
  });
  beforeEach(() => (hosts = []));

  it('connects to the address that was checked, although the name would resolve differently a second time', async () => {
    const answers = [['127.0.0.1'], ['10.0.0.1']];
    const resolve = jest.fn(async () => answers.shift() ?? []);
    const client = clientWith({ allow: ['127.0.0.1'], resolve });
    const response = await client.fetch(`http://rebind.example:${port}/`);
    expect(await response.text()).toBe('inside');
    expect(resolve).toHaveBeenCalledTimes(1);
    expect(hosts).toEqual([`rebind.example:${port}`]);
  });

  it('checks again on each new connection: public first and loopback second is refused', async () => {
    const answers = [['127.0.0.2'], ['127.0.0.1']];
    const client = clientWith({ allow: ['127.0.0.2'], resolve: async () => answers.shift() ?? [] });
    const url = `http://rebind.example:${port}/`;
    // Nobody listens on 127.0.0.2, so that no connection is left to be reused.
    await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'connection_refused' });
    await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'address_refused' });
    expect(hosts).toEqual([]);
  });

  it('refuses a name when any of its addresses is refused', async () => {
    const client = clientWith({ allow: ['127.0.0.1'], resolve: async () => ['127.0.0.1', '169.254.169.254'] });
    await expect(client.fetch(`http://mixed.example:${port}/`)).rejects.toMatchObject({ reason: 'address_refused' });
    expect(hosts).toEqual([]);
  });

  it('says the same of a refused address, a refused name and a name that does not resolve', async () => {
    const client = clientWith({
      allow: [],
      resolve: async (host) => {
        if (host === 'private.example') return ['10.0.0.1'];
        if (host === 'empty.example') return [];
        throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
      },
    });
    const urls = [
      'http://127.0.0.1/',
      'http://localhost/',
      ...['private', 'empty', 'none'].map((name) => `http://${name}.example/`),
    ];
    const errors = await Promise.all(urls.map((url) => client.fetch(url).catch((error: unknown) => error)));
    const checked = await Promise.all(urls.map((url) => client.checkResolved(url).catch((error: unknown) => error)));
    for (const error of [...errors, ...checked])
      expect(error).toMatchObject({ reason: 'address_refused', code: undefined });
    expect(new Set([...errors, ...checked].map((error) => (error as Error).message)).size).toBe(1);
  });

  it('never asks the DNS about names for this machine', async () => {
    const resolve = jest.fn(async () => ['8.8.8.8']);
    const client = clientWith({ allow: ['127.0.0.0/8'], resolve });
    expect(await (await client.fetch(`http://localhost:${port}/`)).text()).toBe('inside');
    expect(await (await client.fetch(`http://app.localhost.:${port}/`)).text()).toBe('inside');
    expect(resolve).not.toHaveBeenCalled();
  });

  it('tries the next address when one does not answer', async () => {
    const client = clientWith({
      allow: ['127.0.0.0/8', '::1'],
      resolve: async () => ['::1', '127.0.0.3', '127.0.0.1'],
    });
    expect(await (await client.fetch(`http://many.example:${port}/`)).text()).toBe('inside');
  });

  it('that hangs is a connect timeout, and an abort does not wait for it', async () => {
    const client = clientWith({ allow: [], connectTimeoutMs: 150, resolve: () => new Promise(() => undefined) });
    await expect(client.fetch('http://slow.example/')).rejects.toMatchObject({ reason: 'timeout' });
    const start = performance.now();
    await expect(client.fetch('http://slow.example/', { signal: AbortSignal.timeout(20) })).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(120);
  });

  it('aborted while connecting never sends the request', async () => {
    let connect = (): void => undefined;
    const resolve = () => new Promise<string[]>((done) => (connect = () => done(['127.0.0.1'])));
    const client = clientWith({ allow: ['127.0.0.1'], resolve });
    const controller = new AbortController();
    const sent = client.fetch(`http://late.example:${port}/`, { signal: controller.signal });
    await new Promise((done) => setImmediate(done));
    controller.abort();
    await expect(sent).rejects.toMatchObject({ reason: 'aborted' });
    connect();
    await new Promise((done) => setTimeout(done, 100));
    expect(hosts).toEqual([]);
  });
});

describe('TLS', () => {
  let folder: string;
  let pem: { key: string; cert: string };
  let port: number;
  let servernames: (string | false | undefined)[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'egress-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=tls.example', '-addext', 'subjectAltName=DNS:tls.example,IP:127.0.0.1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    const files = ['-keyout', key, '-out', cert, '-days', '2'];
    execFileSync('openssl', ['req', '-x509', '-nodes', ...curve, ...files, ...subject], { stdio: 'ignore' });
    pem = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    const server = createTlsServer(pem, (request, response) => {
      servernames.push((request.socket as TLSSocket & { servername?: string | false }).servername);
      response.end(request.headers.host);
    });
    port = await listening(server);
  });
  beforeEach(() => (servernames = []));
  afterAll(() => rmSync(folder, { recursive: true }));

  const resolve = async (): Promise<string[]> => ['127.0.0.1'];

  it('sends the name in SNI and Host although it connects to a checked address', async () => {
    const client = clientWith({ allow: ['127.0.0.1'], ca: pem.cert, resolve });
    const response = await client.fetch(`https://tls.example:${port}/`);
    expect(await response.text()).toBe(`tls.example:${port}`);
    expect(servernames).toEqual(['tls.example']);
  });

  it('checks the certificate of a literal address and sends no SNI', async () => {
    const client = clientWith({ allow: ['127.0.0.1'], ca: pem.cert });
    expect(await (await client.fetch(`https://127.0.0.1:${port}/`)).text()).toBe(`127.0.0.1:${port}`);
    expect(servernames).toEqual([false]);
  });

  it('does not trust a self-signed certificate or one for another name', async () => {
    const distrusting = clientWith({ allow: ['127.0.0.1'], resolve });
    await expect(distrusting.fetch(`https://tls.example:${port}/`)).rejects.toMatchObject({
      reason: 'tls',
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    const client = clientWith({ allow: ['127.0.0.1'], ca: pem.cert, resolve });
    await expect(client.fetch(`https://other.example:${port}/`)).rejects.toMatchObject({
      reason: 'tls',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect(servernames).toEqual([]);
  });

  it('tells a plain server behind an https address', async () => {
    const plain = await listening(createServer());
    const client = clientWith({ allow: ['127.0.0.1'] });
    await expect(client.fetch(`https://127.0.0.1:${plain}/`)).rejects.toMatchObject({ reason: 'tls' });
  });

  it('gives up a handshake that does not come', async () => {
    const silent = await listening(createTcpServer((socket) => socket.on('error', () => undefined).resume()));
    const client = clientWith({ allow: ['127.0.0.1'], connectTimeoutMs: 150 });
    await expect(client.fetch(`https://127.0.0.1:${silent}/`)).rejects.toMatchObject({
      reason: 'timeout',
      message: `No connection to https://127.0.0.1:${silent} in time.`,
    });
  });
});
