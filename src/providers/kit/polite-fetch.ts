import { LRUCache } from 'lru-cache';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EgressRequestInit } from '../../platform/egress/egress-client.js';
import { ToolFailure } from './tool.js';

export type Fetch = (input: string | URL, init?: EgressRequestInit) => Promise<Response>;

interface Remembered {
  etag: string;
  headers: Headers;
  body: Buffer;
}

/** Longer than this nobody waits within a call: its reader is told how long it would be. */
const LONGEST_WAIT_MS = 10_000;
const MOST_TRIES = 3;
/** Where an API says that it is too much and not for how long: GitHub's documentation asks for a minute. */
const UNSAID_WAIT_MS = 60_000;
const REMEMBERED_BYTES = 16 * 1024 * 1024;

/**
 * A fetch for one API with one set of credentials, as its owners ask clients to be: answers that have an ETag are asked for
 * with it (RFC 9110, section 13.1.2), and where the API says how long to wait (Retry-After, X-RateLimit-*), nothing is sent
 * before. What was refused for its rate was not carried out, so that it may be sent again whatever it is.
 */
export function politeFetch(fetch: Fetch): Fetch {
  const remembered = new LRUCache<string, Remembered>({
    maxSize: REMEMBERED_BYTES,
    sizeCalculation: ({ body }) => body.length + 1_024,
  });
  let quietUntil = 0;

  const asked: Fetch = async (input, init) => {
    const isGet = (init?.method ?? 'GET').toUpperCase() === 'GET';
    const key = `${String(input)} ${new Headers(init?.headers).get('accept') ?? ''}`;
    const known = isGet ? remembered.get(key) : undefined;
    if (!known) return isGet ? remember(key, await fetch(input, init)) : fetch(input, init);
    const headers = new Headers(init?.headers);
    headers.set('if-none-match', known.etag);
    const answer = await fetch(input, { ...init, headers });
    return answer.status === 304 ? recalled(known, answer.headers) : remember(key, answer);
  };

  const remember = async (key: string, answer: Response): Promise<Response> => {
    const etag = answer.headers.get('etag');
    if (etag === null || answer.status !== 200) return answer;
    const known = { etag, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
    remembered.set(key, known);
    return recalled(known, known.headers);
  };

  return async (input, init) => {
    const signal = init?.signal ?? undefined;
    for (let tries = 1; ; tries++) {
      await waitUntil(quietUntil, signal);
      const answer = await asked(input, init);
      const wait = waitAskedFor(answer);
      if (wait === null) return answer;
      quietUntil = Math.max(quietUntil, Date.now() + wait.ms);
      if (!wait.isRefusal) return answer;
      if (tries === MOST_TRIES) throw tooMany(wait.ms);
    }
  };
}

/** RFC 9111, section 4.3.4: what a 304 says anew counts. */
function recalled({ headers, body }: Remembered, anew: Headers): Response {
  const both = new Headers(headers);
  for (const [name, value] of anew) if (!/^content-/.test(name)) both.set(name, value);
  // The body is decoded already.
  both.delete('content-encoding');
  both.delete('content-length');
  return new Response(new Uint8Array(body), { status: 200, headers: both });
}

async function waitUntil(time: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = time - Date.now();
  if (ms <= 0) return;
  if (ms > LONGEST_WAIT_MS) throw tooMany(ms);
  await sleep(ms, undefined, { signal });
}

function tooMany(ms: number): ToolFailure {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  return new ToolFailure(`The rate limit is used up: try again in ${seconds} s`);
}

/** Null: go on. `isRefusal`: this request was not carried out; else it was the last for now. */
function waitAskedFor({ status, headers }: Response): { ms: number; isRefusal: boolean } | null {
  const reset = headers.get('x-ratelimit-remaining') === '0' ? resetIn(headers.get('x-ratelimit-reset')) : null;
  const retryAfter = secondsOrDate(headers.get('retry-after'));
  const isRefusal = status === 429 || (status === 403 && (retryAfter !== null || reset !== null));
  if (isRefusal) return { ms: retryAfter ?? reset ?? UNSAID_WAIT_MS, isRefusal };
  return reset === null ? null : { ms: reset, isRefusal };
}

/** RFC 9110, section 10.2.3. */
function secondsOrDate(value: string | null): number | null {
  if (value === null) return null;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** GitHub: seconds since 1970; Jira: an ISO time. */
function resetIn(value: string | null): number | null {
  if (value === null) return null;
  const at = /^\d{1,12}$/.test(value) ? Number(value) * 1_000 : Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
