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

  it.each<[string, Reply]>([
    ['Retry-After', { status: 429, headers: { 'retry-after': '99999999' } }],
    ['Retry-After beyond nine digits', { status: 429, headers: { 'retry-after': '99999999999' } }],
    ['a date', { status: 403, headers: { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' } }],
    ['a reset', { status: 200, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '99999999999' } }],
  ])('is not silenced for longer than an hour, whatever the API says: %s', async (_, reply) => {
    replies = [reply];
    await polite(url).catch(() => undefined);
    const refused = polite(url);
    await expect(refused).rejects.toMatchObject({ reason: 'rate_limited' });
    const { retryAfterSeconds } = (await refused.catch((error: unknown) => error)) as ToolFailure;
    expect(retryAfterSeconds).toBeGreaterThan(3_500);
    expect(retryAfterSeconds).toBeLessThanOrEqual(3_600);
    expect(requests).toHaveLength(1);
  });

  it.each([
    ['ahead', 86_400],
    ['behind', -86_400],
  ])('reckons with the clock of the API, which may be %s', async (_, seconds) => {
    const theirs = Date.now() + seconds * 1_000;
    const reset = String(Math.ceil(theirs / 1_000) + 120);
    const headers = {
      date: new Date(theirs).toUTCString(),
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': reset,
    };
    replies = [{ status: 200, headers }];
    await polite(url);
    await expect(polite(url)).rejects.toThrow(/try again in 1(19|20|21) s/);
  });

  it('does not take the limit of an earlier answer for that of a 304', async () => {
    const soon = new Date(Date.now() + 1_000).toUTCString();
    const headers = { etag: '"1"', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': soon };
    replies = [{ status: 200, headers, body: 'kept' }, { status: 304 }, { status: 304 }];
    for (let turn = 0; turn < 3; turn++) expect(await (await polite(url)).text()).toBe('kept');
    const started = Date.now();
    await polite(url);
    expect(Date.now() - started).toBeLessThan(500);
  });

  it('is silent for a minute after a secondary limit of GitHub that only its text tells', async () => {
    const body = JSON.stringify({ message: 'You have exceeded a secondary rate limit. Please wait a few minutes.' });
    replies = [{ status: 403, headers: { 'content-type': 'application/json; charset=utf-8' }, body }];
    for (let turn = 0; turn < 2; turn++)
      await expect(polite(url, { method: 'POST', body: '{}' })).rejects.toThrow(/try again in (59|60) s/);
    expect(requests).toHaveLength(1);
  });

  it.each([
    ['another text', 'application/json', '{"message":"Must have admin rights"}'],
    ['a page', 'text/html', 'a secondary rate limit'],
    ['broken JSON', 'application/json', '{"message":"a secondary rate limit'],
    ['JSON that is no object', 'application/problem+json', 'null'],
  ])('hands a 403 on as it came: %s', async (_, type, body) => {
    replies = [{ status: 403, headers: { 'content-type': type, 'x-kept': 'yes' }, body }];
    for (let turn = 0; turn < 2; turn++) {
      const answer = await polite(url);
      expect([answer.status, await answer.text(), answer.headers.get('x-kept')]).toEqual([403, body, 'yes']);
    }
  });

  it('sends nothing before the time that a 503 gives, and does not repeat what it was given for', async () => {
    replies = [{ status: 503, headers: { 'retry-after': '120' } }];
    expect((await polite(url, { method: 'POST', body: '{}' })).status).toBe(503);
    await expect(polite(url)).rejects.toThrow(/left alone for now: try again in 1(19|20) s/);
    expect(requests).toHaveLength(1);
    const another = politeFetch(egress.fetch);
    replies = [{ status: 503 }];
    expect([(await another(url)).status, (await another(url)).status]).toEqual([503, 503]);
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
