import { getEventListeners } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { brotliCompressSync, constants, createGzip, gzipSync } from 'node:zlib';
import { EgressClient } from './egress-client.js';

const client = new EgressClient({ allow: ['127.0.0.0/8'] });
const servers: (Server | TcpServer)[] = [];
const sockets = new Set<Socket>();

async function listening(server: Server | TcpServer): Promise<string> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => undefined).once('close', () => sockets.delete(socket)));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
const serve = (listener: RequestListener): Promise<string> => listening(createServer(listener));
const serveRaw = (listener: (socket: Socket) => void): Promise<string> => listening(createTcpServer(listener));

/** Resolves when no connection to any test server is open: an aborted request must close its connection. */
async function allClosed(): Promise<void> {
  for (let at = 0; sockets.size > 0 && at < 200; at++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(sockets.size).toBe(0);
}

afterEach(() => {
  for (const socket of sockets) socket.destroy();
});
afterAll(async () => {
  await client.close();
  for (const server of servers) server.close();
});

describe('a hostile body', () => {
  it('of a few bytes that unpacks to 300 MB is given up early, with flat memory', async () => {
    const bomb = brotliCompressSync(Buffer.alloc(300 * 1024 * 1024), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5 },
    });
    expect(bomb.length).toBeLessThan(2000);
    const url = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'br' }).end(bomb));
    const [before, start] = [process.memoryUsage().rss, performance.now()];
    await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'too_large' });
    expect(performance.now() - start).toBeLessThan(2000);
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
  });

  it('that never ends is given up at the limit', async () => {
    const url = await serve((request, response) => {
      const timer = setInterval(() => response.write(Buffer.alloc(64 * 1024)), 1);
      request.socket.once('close', () => clearInterval(timer));
    });
    await expect(client.fetch(url, { maxBytes: 1_000_000 })).rejects.toMatchObject({ reason: 'too_large' });
    await allClosed();
  });

  it('that announces too much is not read at all', async () => {
    const url = await serve(
      (_request, response) => void response.writeHead(200, { 'content-length': '99999999' }).write('x'),
    );
    await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'too_large' });
    await allClosed();
  });

  it('that drips is given up when its time is over', async () => {
    const url = await serve((request, response) => {
      const timer = setInterval(() => response.write('x'), 20);
      request.socket.once('close', () => clearInterval(timer));
    });
    await expect(client.fetch(url, { bodyTimeoutMs: 200 })).rejects.toMatchObject({ reason: 'timeout' });
    await allClosed();
  });

  it.each(['gzip, gzip', 'zstd', 'compress', 'gzip;q=1', 'br, identity'])(
    'in encoding %s is refused',
    async (encoding) => {
      const url = await serve((_request, response) =>
        response.writeHead(200, { 'content-encoding': encoding }).end('x'),
      );
      await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'bad_encoding' });
      await allClosed();
    },
  );

  it('that is damaged or cut short is refused', async () => {
    const whole = gzipSync('hello '.repeat(1000));
    for (const body of [Buffer.from('not gzip'), whole.subarray(0, whole.length - 10)]) {
      const url = await serve((_request, response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(body),
      );
      await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'bad_encoding' });
    }
  });

  it('that ends before its announced length is a reset', async () => {
    const url = await serveRaw((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')),
    );
    await expect(client.fetch(url)).rejects.toMatchObject({ reason: 'connection_reset' });
  });
});

describe('a hostile server', () => {
  it('that never answers is a timeout, and its connection is closed', async () => {
    const url = await serve(() => undefined);
    await expect(client.fetch(url, { headersTimeoutMs: 100 })).rejects.toMatchObject({
      reason: 'timeout',
      message: `${new URL(url).origin} did not answer within 0.1 s.`,
    });
    await allClosed();
  });

  it('that keeps sending interim answers is a timeout', async () => {
    const url = await serveRaw((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 10);
      socket.once('close', () => clearInterval(timer));
    });
    await expect(client.fetch(url, { headersTimeoutMs: 200 })).rejects.toMatchObject({ reason: 'timeout' });
  });

  it('that resets is told apart from one that is not there', async () => {
    const reset = await serveRaw((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await expect(client.fetch(reset)).rejects.toMatchObject({ reason: 'connection_reset' });
    const closing = createTcpServer();
    const gone = await listening(closing);
    await new Promise((resolve) => closing.close(resolve));
    await expect(client.fetch(gone)).rejects.toMatchObject({ reason: 'connection_refused', code: 'ECONNREFUSED' });
  });

  it('that does not speak HTTP or sends endless headers gets a plain reason', async () => {
    const other = await serveRaw((socket) => socket.end('SSH-2.0-OpenSSH_9\r\n'));
    await expect(client.fetch(other)).rejects.toMatchObject({
      reason: 'network',
      message: expect.not.stringContaining('SSH'),
    });
    const headers = await serveRaw((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\n${`x-a: ${'a'.repeat(1000)}\r\n`.repeat(40)}`),
    );
    await expect(client.fetch(headers)).rejects.toMatchObject({ reason: 'too_large' });
  });
});

describe('an event stream', () => {
  const events = (encoding?: string) => ({
    'content-type': 'text/event-stream; charset=utf-8',
    ...(encoding ? { 'content-encoding': encoding } : {}),
  });

  it('is answered before it ends and may carry more than the limit, event by event', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, events());
      for (let at = 0; at < 50; at++) response.write(`data: ${'x'.repeat(900)}\r\n\r\n`);
      response.end();
    });
    const response = await client.fetch(url, { maxBytes: 1000 });
    let size = 0;
    for await (const chunk of response.body ?? []) size += chunk.length;
    expect(size).toBe(50 * 910);
  });

  it.each(['\n', '\r', '\r\n'])('may not have an event over the limit, whatever ends its lines: %j', async (end) => {
    const url = await serve((_request, response) => {
      response.writeHead(200, events()).write(`data: ok${end}${end}`);
      const timer = setInterval(() => response.write(`data: ${'x'.repeat(100)}${end}`), 1);
      response.once('close', () => clearInterval(timer));
    });
    const response = await client.fetch(url, { maxBytes: 1000 });
    const read = (async () => {
      for await (const _chunk of response.body ?? []);
    })();
    await expect(read).rejects.toMatchObject({ reason: 'too_large' });
    await allClosed();
  });

  it('may be compressed, arrives as it is sent, and a bomb in it is given up', async () => {
    const url = await serve((request, response) => {
      const gzip = createGzip();
      gzip.pipe(response.writeHead(200, events('gzip')));
      gzip.write('data: first\n\n');
      gzip.flush(constants.Z_SYNC_FLUSH);
      if (request.url === '/bomb') gzip.end(Buffer.alloc(50 * 1024 * 1024, 'x'));
    });
    const good = (await client.fetch(url)).body?.getReader();
    expect(Buffer.from((await good?.read())?.value ?? []).toString()).toBe('data: first\n\n');
    await good?.cancel();
    const bad = (await client.fetch(`${url}bomb`)).text();
    await expect(bad).rejects.toMatchObject({ reason: 'too_large' });
    await allClosed();
  });

  it('with damaged compression fails with that reason', async () => {
    const url = await serve((_request, response) => response.writeHead(200, events('gzip')).end('not gzip at all'));
    await expect((await client.fetch(url)).text()).rejects.toMatchObject({ reason: 'bad_encoding' });
  });

  it('is not read faster than its reader', async () => {
    let written = 0;
    const url = await serve((_request, response) => {
      response.writeHead(200, events());
      const write = (): void => {
        while (written < 50_000_000) {
          written += 10_000;
          if (!response.write(`data: ${'x'.repeat(9992)}\n\n`)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    });
    const response = await client.fetch(url);
    expect(response.body).not.toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written).toBeLessThan(20_000_000);
    let size = 0;
    for await (const chunk of response.body ?? []) size += chunk.length;
    expect(size).toBe(50_000_000);
  });

  it('that breaks off reports a reset to its reader and to nobody else', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, events()).write('data: 1\n\n');
      setTimeout(() => request.socket.resetAndDestroy(), 50);
    });
    await expect((await client.fetch(url)).text()).rejects.toMatchObject({ reason: 'connection_reset' });
    await client.fetch(url);
    await new Promise((resolve) => setTimeout(resolve, 150));
  });

  it('of an error status is an ordinary, limited body', async () => {
    const url = await serve((_request, response) => response.writeHead(500, events()).end('data: no\n\n'));
    expect(await (await client.fetch(url)).text()).toBe('data: no\n\n');
  });
});

describe('an abort', () => {
  it('before anything rejects at once', async () => {
    const sent = client.fetch('http://127.0.0.1:9/', { signal: AbortSignal.abort() });
    await expect(sent).rejects.toMatchObject({ reason: 'aborted', name: 'AbortError' });
  });

  it.each([
    ['before the headers', () => undefined],
    ['in the middle of a body', (response: { write(text: string): void }) => response.write('x')],
  ])('%s rejects promptly and closes the connection', async (_when, behave) => {
    const url = await serve((_request, response) => void behave(response));
    const controller = new AbortController();
    const sent = client.fetch(url, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    const start = performance.now();
    await expect(sent).rejects.toMatchObject({ reason: 'aborted', name: 'AbortError' });
    expect(performance.now() - start).toBeLessThan(500);
    await allClosed();
  });

  it('of a standing stream reaches its reader and closes the connection', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    });
    const controller = new AbortController();
    const response = await client.fetch(url, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(response.text()).rejects.toMatchObject({ reason: 'aborted', name: 'AbortError' });
    await allClosed();
  });

  it('by AbortSignal.timeout is a timeout', async () => {
    const url = await serve(() => undefined);
    const sent = client.fetch(url, { signal: AbortSignal.timeout(50) });
    await expect(sent).rejects.toMatchObject({ reason: 'timeout', name: 'TimeoutError' });
    await allClosed();
  });

  it('leaves no listener behind on a signal that many requests share', async () => {
    const url = await serve((_request, response) => response.end('ok'));
    const controller = new AbortController();
    for (let at = 0; at < 5; at++) await client.fetch(url, { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });
});

describe('close', () => {
  it('ends what is under way', async () => {
    const own = new EgressClient({ allow: ['127.0.0.1'] });
    const url = await serve(() => undefined);
    const sent = own.fetch(url);
    setTimeout(() => void own.close(), 50);
    await expect(sent).rejects.toMatchObject({ reason: 'aborted' });
    await expect(own.fetch(url)).rejects.toMatchObject({ reason: 'aborted' });
    await allClosed();
  });
});
