import type { Answer } from '../support/api-client.js';
import type { IdKind, Position, Value } from './ids.js';
import { ROLES, type Role, type Side, type World } from './world.js';

/** By the name of their position. */
export type Values = Record<string, Value>;

/** One way to call a route: which ids it takes, and what each role gets for those of its own organization. */
export interface Case {
  /** Where a route is called in several ways: which one this is. */
  title?: string;
  ids: Position[];
  answers: Record<Role, number>;
  /** The rest of the body. `unique` is another word every time. */
  rest?: (side: Side, unique: string, world: World) => object | Promise<object>;
  /** Ids of new objects, by position, for a call that uses them up. */
  fresh?: (side: Side, unique: string, world: World) => Promise<Values>;
  /** Of a list: to whom it shows rows; to everybody else it is empty. */
  rowsFor?: readonly Role[];
  /** What its rows are, where the answer is no array of them. */
  rowsIn?: (answer: Answer) => readonly string[];
  /** For operators of the installation alone: the guard says no before anything is looked up. */
  operatorsOnly?: boolean;
  /** Operators see these of every organization, so that none is foreign to them. */
  operatorSeesAll?: boolean;
  /** Operators see people, sessions and names of organizations here, and nothing else of them. */
  operatorSeesInstallation?: boolean;
  /** Of no organization: nobody's foreign id. */
  belongsToAll?: boolean;
  /** The door of a workspace: to a token of another one it is shut, as to no token at all. */
  isDoor?: boolean;
  /** Ends the session or the password it is called with, so somebody else has to call it. */
  endsSession?: boolean;
}

export type Rows = Record<string, Case[]>;

const KINDS = ['foreign', 'unknown', 'malformed', 'sibling'] as const;
type Kind = 'own' | (typeof KINDS)[number] | 'all foreign';

/** One request and what has to come back. */
export interface Cell {
  route: string;
  case: Case;
  role: Role;
  /** Null: the required ones together. */
  position: Position | null;
  kind: Kind;
  /** Any of these. */
  expected: readonly number[];
}

/** Those who see the workspace of the world. */
const SEE_WORKSPACE: readonly Role[] = ['owner', 'admin', 'manager', 'worker', 'agent'];
/** Those who are in that workspace and in no other. */
const ONE_WORKSPACE: readonly Role[] = ['manager', 'worker', 'agent'];

export function cellsOf(route: string, each: Case): Cell[] {
  const needed = each.ids.filter((position) => !position.optional);
  const cell = (role: Role, position: Position | null, kind: Kind): Cell => ({
    route,
    case: each,
    role,
    position,
    kind,
    expected: expectation(each, role, position, kind),
  });
  return ROLES.flatMap((role) => [
    cell(role, null, 'own'),
    ...each.ids.filter((position) => position.optional).map((position) => cell(role, position, 'own')),
    ...each.ids.flatMap((position) =>
      KINDS.filter((kind) => applies(each, role, position, kind)).map((kind) => cell(role, position, kind)),
    ),
    ...(needed.length > 1 && applies(each, role, null, 'foreign') ? [cell(role, null, 'all foreign')] : []),
  ]);
}

function applies(each: Case, role: Role, position: Position | null, kind: Kind): boolean {
  if (kind === 'foreign')
    return !each.belongsToAll && !(role === 'operator' && (each.operatorSeesAll || position?.operatorToo));
  if (kind === 'sibling') return ONE_WORKSPACE.includes(role) && position?.id.sibling !== undefined;
  return true;
}

/** The table of answers: security.md, "One table of answers"; api.md, "Status codes" and "Who may do what". */
function expectation(each: Case, role: Role, position: Position | null, kind: Kind): readonly number[] {
  const own = each.answers[role];
  const isAllowed = own < 300;
  if (each.operatorsOnly && role !== 'operator') return [403];
  if (kind === 'own') {
    const needsWorkspace = position?.place === 'header' && !SEE_WORKSPACE.includes(role);
    return [needsWorkspace ? 404 : own];
  }
  if (each.isDoor && role === 'agent') return [401];
  if (kind === 'sibling') return siblingExpectation(position, own);
  switch (position?.place) {
    case 'filter':
      return [kind === 'malformed' ? 400 : own];
    case 'cursor':
      // Rights come first: whether a cursor fits is looked at when rows are read. One from elsewhere only says where to
      // go on in what one sees anyway.
      return [kind === 'malformed' && isAllowed ? 400 : own];
    case 'choice':
    case 'header':
      return [kind === 'malformed' ? 400 : 404];
    case 'body':
    case 'nested':
      if (kind === 'malformed') return isAllowed ? [400] : [400, own];
      return isAllowed ? [404] : [403, 404];
    case 'name':
      return isAllowed ? [400] : kind === 'malformed' ? [400, own] : [own];
    case 'path':
      // Below something of one's own that one may not change: that may be said first.
      return isAllowed || isFirst(each, position) ? [404] : [403, 404];
    default:
      return kind === 'all foreign' && each.ids.every(({ place }) => place !== 'path') && !isAllowed
        ? [403, 404]
        : [404];
  }
}

function isFirst(each: Case, position: Position): boolean {
  return each.ids.find(({ place }) => place === 'path') === position;
}

/** Of another workspace of the own organization: as unknown as a foreign one, but who may not anyway may hear that first. */
function siblingExpectation(position: Position | null, own: number): readonly number[] {
  if (position?.place === 'filter') return [own];
  return own < 300 ? [404] : [403, 404];
}

export interface Request {
  method: string;
  path: string;
  body: object | undefined;
  headers: Record<string, string>;
  /** The id that the cell is about. */
  asked: Value | undefined;
}

let calls = 0;

/** The one builder of requests: a cell with a foreign id differs from its own-id twin in that id alone. */
export async function requestOf(world: World, cell: Cell, side: Side, other: Side): Promise<Request> {
  const unique = `unique-${++calls}`;
  const values: Values = {};
  for (const position of cell.case.ids)
    if (!position.optional || position === cell.position) values[position.name] = position.id.own(side);
  const isUsedUp = cell.kind === 'own' && cell.expected[0] !== undefined && cell.expected[0] < 300;
  if (cell.case.fresh && isUsedUp) {
    const made = await cell.case.fresh(side, unique, world);
    for (const [name, value] of Object.entries(made)) if (name in values) values[name] = value;
  }
  for (const position of cell.case.ids) {
    const isMeant = position === cell.position || (cell.kind === 'all foreign' && !position.optional);
    if (isMeant && cell.kind !== 'own') values[position.name] = strange(position, cell.kind, side, other);
  }
  return assemble(cell, values, await cell.case.rest?.(side, unique, world));
}

function strange({ place, id }: Position, kind: Kind, side: Side, other: Side): Value {
  const { foreign = id.own, sibling = id.own }: IdKind = id;
  if (kind === 'foreign' || kind === 'all foreign') return foreign(other);
  if (kind === 'sibling') return sibling(side);
  if (kind === 'unknown') return id.unknown;
  return ['body', 'nested', 'name'].includes(place) ? id.wrongType : id.malformed;
}

function assemble({ route, case: each, position }: Cell, values: Values, rest: object | undefined): Request {
  const [method = '', template = ''] = route.split(' ');
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  const fields: Record<string, Value | Value[]> = {};
  let path = template;
  for (const { place, name } of each.ids) {
    const value = values[name];
    if (value === undefined) continue;
    if (place === 'path') path = path.replace(`:${name}`, encodeURIComponent(String(value)));
    else if (place === 'header') headers[name] = String(value);
    else if (place === 'nested') fields[name] = [value];
    else if (place === 'body' || place === 'name') fields[name] = value;
    else query.set(name, String(value));
  }
  const hasBody = rest !== undefined || Object.keys(fields).length > 0;
  const text = query.toString();
  const target = text === '' ? path : `${path}?${text}`;
  const asked = position === null ? undefined : values[position.name];
  return { method, path: target, body: hasBody ? { ...rest, ...fields } : undefined, headers, asked };
}

/** What an answer says, apart from the id that was asked for and the id of the request. */
export function shapeOf(answer: Answer, asked: Value | undefined): string {
  const body = answer.body as unknown;
  if (typeof body !== 'object' || body === null) return `${answer.status} ${answer.text}`;
  const isAsked = (value: unknown): boolean =>
    (typeof value === 'string' || typeof value === 'number') && asked !== undefined && String(value) === String(asked);
  return JSON.stringify({ status: answer.status, ...body, request_id: null }, (_key, value: unknown) =>
    isAsked(value) ? '<id>' : value,
  );
}
