import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EgressClient } from '../../platform/egress/egress-client.js';
import { politeFetch, type Fetch } from './polite-fetch.js';
import { ToolFailure } from './tool.js';

type Reply = { status: number; headers?: Record<string, string>; body?: string };

describe('a polite fetch', () => {
  const egress = new EgressClient({ allow: ['127.0.0.0/8'] });
  let server: Server;
  let requests: IncomingMessage['headers'][] = [];
  let replies: (Reply | ((headers: IncomingMessage['headers']) => Reply))[] = [];
  let polite: Fetch;
  let url: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request.headers);
      const next = replies.length > 1 ? replies.shift() : replies[0];
      const reply = typeof next === 'function' ? next(request.headers) : next;
      response.writeHead(reply?.status ?? 500, reply?.headers).end(reply?.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/issues`;
  });
  beforeEach(() => {
    requests = [];
    polite = politeFetch(egress.fetch);
  });
  afterAll(async () => {
    await egress.close();
    server.close();
  });

  it('asks with the ETag that it was given, and takes 304 for what it had', async () => {
    const tagged: Reply = { status: 200, headers: { etag: '"1"', 'x-page': '7' }, body: '["DEV-1"]' };
    const later = { status: 304, headers: { etag: '"1"', 'x-ratelimit-remaining': '9' } };
    replies = [tagged, later];
    expect(await (await polite(url)).json()).toEqual(['DEV-1']);
    const again = await polite(url);
    expect([again.status, await again.json(), again.headers.get('x-page')]).toEqual([200, ['DEV-1'], '7']);
    expect(again.headers.get('x-ratelimit-remaining')).toBe('9');
    expect(requests.map((headers) => headers['if-none-match'])).toEqual([undefined, '"1"']);
  });

  it('remembers the new answer where it has changed, and nothing of what is no GET', async () => {
    replies = [
      { status: 200, headers: { etag: '"1"' }, body: 'old' },
      { status: 200, headers: { etag: '"2"' }, body: 'new' },
      (headers) => ({ status: headers['if-none-match'] === '"2"' ? 304 : 500 }),
    ];
    await polite(url);
    expect(await (await polite(url)).text()).toBe('new');
    expect(await (await polite(url)).text()).toBe('new');
    replies = [{ status: 201, headers: { etag: '"3"' }, body: 'made' }];
    await polite(url, { method: 'POST', body: '{}' });
    await polite(url, { method: 'POST', body: '{}' });
    expect(requests.slice(-2).map((headers) => headers['if-none-match'])).toEqual([undefined, undefined]);
  });

  it('gives answers for one media type to nobody who asks for another', async () => {
    replies = [(headers) => ({ status: 200, headers: { etag: '"1"' }, body: String(headers.accept) })];
    await polite(url, { headers: { accept: 'application/json' } });
    expect(await (await polite(url, { headers: { accept: 'text/plain' } })).text()).toBe('text/plain');
  });

  it.each([
    ['429 with Retry-After', 429, { 'retry-after': '1' }],
    ['403 with Retry-After, the secondary limit of GitHub', 403, { 'retry-after': '1' }],
    ['429 with the time of the reset', 429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '{soon}' }],
  ])('waits after %s, and sends it again', async (_, status, headers) => {
    const soon = new Date(Date.now() + 800).toISOString();
    const limited = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('{soon}', soon)]),
    );
    replies = [
      { status, headers: limited },
      { status: 200, body: 'done' },
    ];
    const started = Date.now();
    const answer = await polite(url, { method: 'POST', body: '{}' });
    expect([answer.status, requests.length]).toEqual([200, 2]);
    expect(Date.now() - started).toBeGreaterThan(500);
  });

  it('says how long it would take where that is too long, and sends nothing meanwhile', async () => {
    replies = [{ status: 429, headers: { 'retry-after': '120' } }];
    await expect(polite(url)).rejects.toThrow(ToolFailure);
    await expect(polite(url)).rejects.toThrow(/try again in 1(19|20) s/);
    expect(requests).toHaveLength(1);
  });

  it('sends nothing after the last request of a window, and gives its answer all the same', async () => {
    const reset = String(Math.ceil(Date.now() / 1_000) + 3_600);
    replies = [{ status: 200, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }, body: 'last' }];
    expect(await (await polite(url)).text()).toBe('last');
    await expect(polite(url)).rejects.toThrow(/rate limit/);
    expect(requests).toHaveLength(1);
  });

  it('stops waiting when nobody wants the answer any more', async () => {
    replies = [{ status: 429, headers: { 'retry-after': '5' } }];
    const abort = new AbortController();
    const asked = polite(url, { signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    await expect(asked).rejects.toThrow(/abort/i);
  });

  it('takes 403 without a word about rates for what it is', async () => {
    replies = [{ status: 403, headers: { 'x-ratelimit-remaining': '100' } }];
    expect((await polite(url)).status).toBe(403);
  });
});
