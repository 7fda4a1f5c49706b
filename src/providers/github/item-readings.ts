import { EgressError } from '../../platform/egress/egress-error.js';
import { WindowFailure } from '../kit/tool.js';
import type { ItemWindow, Reading } from '../kit/resources.js';
import type { GitHubClient } from './github-client.js';
import { numberIn, objectIn, timeIn, type Json } from './github-json.js';
import { isPullRequest, issueItem, itemsOf, pullItem } from './items.js';
import { nextPage, pageAt, strangeCursor } from './paging.js';
import type { RepositoryName } from './repository-name.js';

const PER_PAGE = 100;
/** Where a hundred are more than an answer may have. */
const FEW = 20;
const PULLS_PER_PAGE = 30;
/** Of an answer, in characters: as JSON within JSON it stays within 10 MiB. */
const MOST_TEXT = 3_000_000;
/** Numbers that a cursor carries at most. */
const MOST_SEEN = 2 * PER_PAGE;

/** Where the next page of issues begins. */
interface IssuePosition {
  since?: string;
  page?: string;
  /** Numbers of the issues from `since` on that were there already. */
  seen: number[];
  /** Whether a page is one of twenty. */
  few?: true;
}

/**
 * Issues of a repository, oldest update first. The next page asks from the latest update of this one on, not for a page by its
 * number: an issue that is updated meanwhile moves to the end, and the one behind it would be skipped.
 */
export async function readIssues(
  github: GitHubClient,
  name: RepositoryName,
  window: ItemWindow,
  signal: AbortSignal,
): Promise<Reading> {
  const at = issuePosition(window);
  const { rows, headers, few } = await issuesAt(github, name, at, signal);
  // One that was updated since then is there again.
  const unseen = rows.filter(
    (row) => timeIn(row.updated_at) !== (at.since ?? null) || !at.seen.includes(numberOf(row)),
  );
  const taken = fitting(unseen);
  const latest = latestUpdate(taken);
  const next = taken.length < unseen.length ? 'here' : nextPage(headers);
  const items = itemsOf(
    taken.filter((row) => !isPullRequest(row)),
    issueItem,
    name,
  );
  const checkpoint = latest ?? (window.cursor === undefined ? null : (at.since ?? null));
  const nextCursor = next === undefined ? {} : { nextCursor: following({ ...at, few }, taken, latest, next) };
  return { kind: 'items', items, checkpoint, ...nextCursor };
}

async function issuesAt(
  github: GitHubClient,
  name: RepositoryName,
  { since, page, few }: IssuePosition,
  signal: AbortSignal,
): Promise<{ rows: Json[]; headers: Json; few?: true }> {
  const order = { state: 'all', sort: 'updated', direction: 'asc' };
  const ask = (size: number): Promise<{ rows: Json[]; headers: Json }> => {
    const asked = { ...name, ...order, since, per_page: size, ...pageAt(page) };
    return github.list('GET /repos/{owner}/{repo}/issues', asked, signal);
  };
  if (few) return { ...(await ask(FEW)), few };
  try {
    return await ask(PER_PAGE);
  } catch (error) {
    // The number of a page means another one where pages are smaller.
    if (!(error instanceof EgressError) || error.reason !== 'too_large' || page !== undefined) throw error;
    return { ...(await ask(FEW)), few: true };
  }
}

/** As many from the first on as an answer has room for; always one. */
function fitting(rows: readonly Json[]): readonly Json[] {
  let left = MOST_TEXT;
  const count = rows.findIndex((row, index) => {
    left -= JSON.stringify(row).length;
    return left < 0 && index > 0;
  });
  return count < 0 ? rows : rows.slice(0, count);
}

/** @param next a page, or `here` where this one has more */
function following(at: IssuePosition, taken: readonly Json[], latest: string | null, next: string): string {
  // All of one second, or without times: only by page numbers.
  const isStuck = latest === null || latest === at.since;
  const page = next === 'here' ? at.page : next;
  const position: IssuePosition = isStuck
    ? { ...at, ...(page === undefined ? {} : { page }), seen: [...at.seen, ...taken.map(numberOf)].slice(-MOST_SEEN) }
    : { since: latest, seen: taken.filter((row) => timeIn(row.updated_at) === latest).map(numberOf) };
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function numberOf({ number }: Json): number {
  return numberIn(number) ?? 0;
}

function issuePosition({ since, cursor }: ItemWindow): IssuePosition {
  if (cursor === undefined) return { ...(since === undefined ? {} : { since: checkedTime(since) }), seen: [] };
  const { since: from, page, seen, few } = positionIn(cursor);
  const isOurs =
    (from === undefined || timeIn(from) !== null) &&
    (page === undefined || typeof page === 'string') &&
    Array.isArray(seen) &&
    seen.length <= MOST_SEEN;
  if (!isOurs) throw strangeCursor();
  return {
    ...(from === undefined ? {} : { since: checkedTime(from) }),
    ...(page === undefined ? {} : { page }),
    seen: seen.map(Number),
    ...(few === true ? { few } : {}),
  };
}

/** Where the next page of pull requests begins. */
interface PullPosition {
  since?: string;
  page?: string;
  /** Latest update of all; the checkpoint once everything is read. */
  latest?: string;
}

/**
 * Pull requests, latest update first: GitHub has no `since` for them, so reading ends at the first that is older. What is updated
 * meanwhile is met twice and never skipped. The checkpoint comes with the last page, because the oldest are read last.
 */
export async function readPulls(
  github: GitHubClient,
  name: RepositoryName,
  window: ItemWindow,
  signal: AbortSignal,
): Promise<Reading> {
  const at = pullPosition(window);
  const order = { state: 'all', sort: 'updated', direction: 'desc', per_page: PULLS_PER_PAGE };
  const asked = { ...name, ...order, ...pageAt(at.page) };
  const { rows, headers } = await github.list('GET /repos/{owner}/{repo}/pulls', asked, signal);
  const { since } = at;
  const wanted = since === undefined ? rows : rows.filter((row) => (timeIn(row.updated_at) ?? since) >= since);
  const latest = at.latest ?? latestUpdate(rows) ?? undefined;
  const page = wanted.length < rows.length ? undefined : nextPage(headers);
  const items = itemsOf(wanted, pullItem, name);
  if (page === undefined) return { kind: 'items', items, checkpoint: latest ?? null };
  const position: PullPosition = { ...at, page, ...(latest === undefined ? {} : { latest }) };
  const nextCursor = Buffer.from(JSON.stringify(position)).toString('base64url');
  return { kind: 'items', items, checkpoint: since ?? null, nextCursor };
}

function pullPosition({ since, cursor }: ItemWindow): PullPosition {
  if (cursor === undefined) return since === undefined ? {} : { since: checkedTime(since) };
  const position = positionIn(cursor);
  const page = position.page;
  if (typeof page !== 'string') throw strangeCursor();
  const times = Object.entries({ since: position.since, latest: position.latest }).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const time = timeIn(value);
    if (time === null) throw strangeCursor();
    return [[key, time]];
  });
  return { page, ...(Object.fromEntries(times) as { since?: string; latest?: string }) };
}

/** Of all rows, those that are no items included: what was passed by need not be read again. */
function latestUpdate(rows: readonly Json[]): string | null {
  const times = rows.map((row) => timeIn(row.updated_at)).filter((time) => time !== null);
  return times.reduce<string | null>((latest, time) => (latest === null || time > latest ? time : latest), null);
}

function positionIn(cursor: string): Json {
  try {
    return objectIn(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw strangeCursor();
  }
}

function checkedTime(since: unknown): string {
  const time = timeIn(since);
  if (time === null) throw new WindowFailure('since', 'since must be a time such as 2026-01-31T12:00:00Z');
  return time;
}
