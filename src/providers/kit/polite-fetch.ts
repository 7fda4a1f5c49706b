import { toAbortSignal } from '../../platform/cancellation.js';
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
/** Nothing is silenced for longer at a time, whatever one answer says: the windows of limits are an hour at most. */
const LONGEST_QUIET_MS = 3_600_000;
/** GitHub's documentation, Rate limits for the REST API: its secondary limits may come without a header. */
const SECONDARY_LIMIT = /secondary rate limit|abuse detection/i;
/** An error that is longer than this is none of an API. */
const LONGEST_ERROR = 65_536;
const REMEMBERED_BYTES = 16 * 1024 * 1024;

/**
 * A fetch for one API with one set of credentials, as its owners ask clients to be: answers that have an ETag are asked for
 * with it (RFC 9110, section 13.1.2), and where the API says how long to wait (Retry-After, X-RateLimit-*), nothing is sent
 * before. What was refused for its rate was not carried out, so that it may be sent again whatever it is; of what was answered
 * by 503 that is not known.
 */
export function politeFetch(fetch: Fetch): Fetch {
  const remembered = new LRUCache<string, Remembered>({
    maxSize: REMEMBERED_BYTES,
    sizeCalculation: ({ body }) => body.length + 1_024,
  });
  let quiet = { until: 0, why: LIMIT };

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
    const signal = init?.signal ? toAbortSignal(init.signal) : undefined;
    for (let tries = 1; ; tries++) {
      await waitUntil(quiet, signal);
      const { answer, isSecondaryLimit } = await readRefusal(await asked(input, init));
      const wait = waitAskedFor(answer, isSecondaryLimit);
      if (wait === null) return answer;
      const until = Date.now() + wait.ms;
      if (until > quiet.until) quiet = { until, why: wait.why };
      if (!wait.isRefusal) return answer;
      if (tries === MOST_TRIES) throw askedToWait(wait);
    }
  };
}

/** What an answer says of its own moment, and of no later one. */
const MOMENTARY = /^(?:date|retry-after|x-ratelimit-.*)$/;

/** RFC 9111, section 4.3.4: what a 304 says anew counts. */
function recalled({ headers, body }: Remembered, anew: Headers): Response {
  const both = new Headers([...headers].filter(([name]) => !MOMENTARY.test(name)));
  for (const [name, value] of anew) if (!/^content-/.test(name)) both.set(name, value);
  // The body is decoded already.
  both.delete('content-encoding');
  both.delete('content-length');
  return new Response(new Uint8Array(body), { status: 200, headers: both });
}

const LIMIT = 'The rate limit is used up';
const PAUSE = 'The service asks to be left alone for now';

async function waitUntil({ until, why }: { until: number; why: string }, signal?: AbortSignal): Promise<void> {
  const ms = until - Date.now();
  if (ms <= 0) return;
  if (ms > LONGEST_WAIT_MS) throw askedToWait({ ms, why });
  await sleep(ms, undefined, { signal });
}

function askedToWait({ ms, why }: { ms: number; why: string }): ToolFailure {
  const retryAfterSeconds = Math.max(1, Math.ceil(ms / 1_000));
  return new ToolFailure(`${why}: try again in ${retryAfterSeconds} s`, { reason: 'rate_limited', retryAfterSeconds });
}

/** A 403 in JSON says in its text alone whether it is a limit; any other answer stays unread. */
async function readRefusal(answer: Response): Promise<{ answer: Response; isSecondaryLimit: boolean }> {
  const isJson = /^application\/(?:[^;]+\+)?json\b/i.test(answer.headers.get('content-type') ?? '');
  if (answer.status !== 403 || !isJson) return { answer, isSecondaryLimit: false };
  const body = new Uint8Array(await answer.arrayBuffer());
  const headers = new Headers(answer.headers);
  // The body is decoded already.
  headers.delete('content-encoding');
  headers.delete('content-length');
  return { answer: new Response(body, { status: 403, headers }), isSecondaryLimit: saysSecondaryLimit(body) };
}

function saysSecondaryLimit(body: Uint8Array): boolean {
  if (body.length > LONGEST_ERROR) return false;
  try {
    const document = JSON.parse(Buffer.from(body).toString('utf8')) as { message?: unknown } | null;
    return typeof document?.message === 'string' && SECONDARY_LIMIT.test(document.message);
  } catch {
    return false;
  }
}

/** `isRefusal`: this request was not carried out; else nothing is to follow for now. */
interface Wait {
  ms: number;
  isRefusal: boolean;
  why: string;
}

/** Null: go on. */
function waitAskedFor({ status, headers }: Response, isSecondaryLimit: boolean): Wait | null {
  // By the clock that the times are of: ours may be another one.
  const now = timeOr(Date.now(), headers.get('date'));
  const reset = headers.get('x-ratelimit-remaining') === '0' ? resetIn(headers.get('x-ratelimit-reset'), now) : null;
  const retryAfter = secondsOrDate(headers.get('retry-after'), now);
  const isLimit = isSecondaryLimit || retryAfter !== null || reset !== null;
  const isRefusal = status === 429 || (status === 403 && isLimit);
  const isPause = status === 503 && retryAfter !== null;
  const ms = isRefusal || isPause ? (retryAfter ?? reset ?? UNSAID_WAIT_MS) : reset;
  return ms === null ? null : { ms: Math.min(ms, LONGEST_QUIET_MS), isRefusal, why: isPause ? PAUSE : LIMIT };
}

function timeOr(otherwise: number, date: string | null): number {
  const ms = Date.parse(date ?? '');
  return Number.isNaN(ms) ? otherwise : ms;
}

/** RFC 9110, section 10.2.3. */
function secondsOrDate(value: string | null, now: number): number | null {
  if (value === null) return null;
  const ms = /^\d{1,15}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** GitHub: seconds since 1970; Jira: an ISO time. */
function resetIn(value: string | null, now: number): number | null {
  if (value === null) return null;
  const at = /^\d{1,12}$/.test(value) ? Number(value) * 1_000 : Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
