import { createHash } from 'node:crypto';
import type { Answer, ApiClient } from '../support/api-client.js';
import { newUser } from '../support/tenants.js';
import { requestOf, shapeOf, type Cell, type Request } from './cells.js';
import { installationOf, toldOf, type Hidden } from './secrets.js';
import type { Side, World } from './world.js';

/** Requests under way at once. */
const AT_ONCE = 8;
const ERRORS: Record<number, readonly string[]> = {
  400: ['validation_failed'],
  401: ['unauthorized'],
  403: ['forbidden', 'access_denied'],
  404: ['resource_not_found'],
};

/** What answers to the people of one organization must not hold. */
export interface Secrets {
  /** Whoever asks. */
  credentials: readonly string[];
  ofOther: Hidden;
  ofOwn: Hidden;
}

interface Outcome {
  cell: Cell;
  request: Request;
  answer: Answer;
}

/** Sends the cells as `side` against `other`, and tells in one line each what did not come out as the table says. */
export async function failuresOf(
  world: World,
  cells: readonly Cell[],
  [side, other]: readonly [Side, Side],
  secrets: Secrets,
): Promise<string[]> {
  const outcomes = await inBatches(cells, async (cell) => {
    const actor = await actorOf(world, cell, side);
    const request = await requestOf(world, cell, side, other);
    const headers = { ...request.headers, ...keyOf(cell, side) };
    const answer = await actor.send(request.method, request.path, request.body, headers);
    return { cell, request, answer };
  });
  const installation = await installationOf(world.app);
  const withoutTwin = outcomes.filter(({ cell }) => cell.kind !== 'own' && !hasTwin(cell, outcomes));
  return [
    ...outcomes.flatMap((outcome) =>
      problemsOf(outcome, side, secrets, installation).map((problem) => lineOf(outcome, problem)),
    ),
    ...withoutTwin.map((outcome) => lineOf(outcome, 'has no own-id twin that succeeded')),
    ...outcomes.flatMap((outcome) => differenceOf(outcome, outcomes)),
  ];
}

export async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** The same one of everybody on both sides: what was answered to the one is never the answer to another. */
function keyOf({ route, case: { title = '' }, role, position, kind }: Cell, side: Side): Record<string, string> {
  if (!route.startsWith('POST ')) return {};
  // The operator is the same person on both sides.
  const parts = [route, title, position?.name ?? '', kind, role === 'operator' ? side.mark : ''];
  return { 'Idempotency-Key': createHash('sha256').update(parts.join()).digest('hex') };
}

async function actorOf({ app }: World, { case: each, role }: Cell, side: Side): Promise<ApiClient> {
  return each.endsSession && role !== 'agent' ? (await newUser(app)).client : side.actors[role];
}

/** The same call with ids of its own, by somebody who may: without it, a refusal would prove nothing. */
function hasTwin(cell: Cell, outcomes: readonly Outcome[]): boolean {
  const position = cell.position?.optional ? cell.position : null;
  return outcomes.some(
    ({ cell: twin, answer }) =>
      twin.case === cell.case && twin.kind === 'own' && twin.position === position && answer.status < 300,
  );
}

function problemsOf(
  { cell, request, answer }: Outcome,
  side: Side,
  secrets: Secrets,
  installation: ReadonlySet<string>,
): string[] {
  if (answer.headers.has('idempotent-replayed')) return ['is what somebody else was answered'];
  if (!cell.expected.includes(answer.status)) return [`expected ${cell.expected.join(' or ')}`];
  const problems = answer.status < 300 ? listProblems(cell, answer) : errorProblems(cell, answer);
  const sent = decodeURIComponent(request.path) + JSON.stringify([request.body, request.headers]);
  const got = `${answer.text} ${[...answer.headers].join(' ')}`;
  // An error may name the id that was asked for.
  const told = hiddenFrom(cell, side, secrets)
    .flatMap((hidden) => toldOf(hidden, got))
    .filter((secret) => !sent.includes(secret))
    .filter((secret) => !isOperators(cell) || !installation.has(secret));
  return told.length > 0 ? [...problems, `tells ${[...new Set(told)].join(', ')}`] : problems;
}

function isOperators({ role, case: each }: Cell): boolean {
  return role === 'operator' && each.operatorSeesInstallation === true;
}

function hiddenFrom({ role, case: each }: Cell, side: Side, { credentials, ofOther, ofOwn }: Secrets): Hidden[] {
  const only = (words: readonly string[]): Hidden => ({ ids: new Set(), words });
  // The operator is in neither.
  if (role === 'operator') return each.operatorSeesAll ? [only(credentials)] : [only(credentials), ofOther, ofOwn];
  // The other workspace, and for an agent also the connection that only that one may use.
  const elsewhere = {
    manager: [side.annex],
    worker: [side.annex],
    agent: [side.annex, side.loneConnection, side.loneSlug],
  };
  return [only(credentials), ofOther, only(role in elsewhere ? elsewhere[role as keyof typeof elsewhere] : [])];
}

function errorProblems({ kind, position }: Cell, { status, body }: Answer): string[] {
  if (!ERRORS[status]?.includes(body.error)) return [`error ${body.error}`];
  if (status !== 400 || kind !== 'malformed' || position === null) return [];
  const fields = Object.keys(body.details.fields ?? {});
  return fields.includes(position.name) ? [] : [`names ${fields.join(', ')} instead of ${position.name}`];
}

function listProblems({ case: each, role, position, kind }: Cell, answer: Answer): string[] {
  const rowsFor = position?.rowsFor ?? each.rowsFor;
  if (!rowsFor) return [];
  const rows = each.rowsIn?.(answer) ?? (answer.body as Record<string, unknown>[]);
  const keys = rows.map((row) => (typeof row === 'string' ? row : keyIn(row)));
  if (new Set(keys).size !== keys.length) return ['shows a row twice'];
  if (position?.place === 'cursor') return [];
  if (kind !== 'own' && position?.place === 'filter') return rows.length === 0 ? [] : ['shows rows'];
  // The operator has an organization of its own, so that without a filter there may be rows.
  if (role === 'operator' && position === null && !rowsFor.includes(role)) return [];
  if (rowsFor.includes(role) !== rows.length > 0) return [`shows ${rows.length} rows`];
  return [];
}

function keyIn(row: Record<string, unknown>): unknown {
  return row.id ?? row.server_id ?? row.uri ?? JSON.stringify(row.user);
}

/** Nobody may learn from an answer which of foreign, unknown and malformed an id is. */
function differenceOf(outcome: Outcome, outcomes: readonly Outcome[]): string[] {
  const { cell, request, answer } = outcome;
  if (cell.kind === 'own' || cell.kind === 'unknown' || answer.status < 400) return [];
  if (cell.kind !== 'foreign' && cell.expected.join() !== '404') return [];
  const unknown = outcomes.find(
    ({ cell: each }) =>
      each.case === cell.case && each.role === cell.role && each.position === cell.position && each.kind === 'unknown',
  );
  if (!unknown) return [];
  const shapes = [shapeOf(answer, request.asked), shapeOf(unknown.answer, unknown.request.asked)];
  return shapes[0] === shapes[1] ? [] : [lineOf(outcome, `but for an unknown id ${shapes[1]}`)];
}

function lineOf({ cell, request, answer }: Outcome, problem: string): string {
  const place = cell.position ? `${cell.position.place} ${cell.position.name}` : 'all ids';
  const title = cell.case.title === undefined ? '' : ` (${cell.case.title})`;
  const got = `${answer.status} ${answer.text.slice(0, 200)}`;
  return `${cell.role}, ${place}, ${cell.kind}${title}: ${problem}; ${request.method} ${request.path} answered ${got}`;
}
