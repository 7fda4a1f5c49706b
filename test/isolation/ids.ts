import { randomUUID } from 'node:crypto';
import { INSTALLATION } from '../../src/modules/audit/audit.service.js';
import type { Role, Side } from './world.js';

export type Value = string | number | boolean;

/** A kind of id, with an example of each of: ours, theirs, of another workspace of ours, nobody's, and none at all. */
export interface IdKind {
  own: (side: Side) => Value;
  /** What only the other organization has, where both have what `own` names. */
  foreign?: (side: Side) => Value;
  /** In the own organization, but of a workspace in which neither manager nor worker nor agent is. */
  sibling?: (side: Side) => Value;
  unknown: Value;
  /** In paths, queries and headers. */
  malformed: string;
  /** In bodies: of a type that no id has. */
  wrongType: Value;
}

const uuids = { unknown: randomUUID(), malformed: 'no-id-at-all', wrongType: 'no-id-at-all' };
const integers = { unknown: 2_000_000_000, malformed: 'no-id-at-all', wrongType: true };
const texts = { unknown: randomUUID(), malformed: 'x'.repeat(201), wrongType: 5 };
// Any text is a name, but PostgreSQL stores no NUL.
const names = { unknown: 'nobody-has-this', malformed: 'no\0id', wrongType: 5 };

export const ID = {
  organization: { ...uuids, own: (side) => side.organization },
  user: { ...uuids, own: (side) => side.users.worker.id },
  /** Who is in the workspace. */
  colleague: { ...uuids, own: (side) => side.colleague.id },
  username: { ...names, own: (side) => side.colleague.username },
  workspace: { ...uuids, own: (side) => side.workspace, sibling: (side) => side.annex },
  token: { ...uuids, own: (side) => side.token },
  serverType: { ...integers, own: (side) => side.serverType },
  connection: { ...uuids, own: (side) => side.connection },
  run: { ...uuids, own: (side) => side.run },
  check: { ...uuids, own: (side) => side.check },
  review: { ...integers, own: (side) => side.review },
  resource: { ...integers, own: (side) => side.resource, sibling: (side) => side.loneResource },
  parent: { ...integers, own: (side) => side.parent },
  uri: { ...names, unknown: 'wiki://nobody', own: () => 'memo://one', foreign: (side) => side.loneUri },
  server: { ...names, own: (side) => side.slug, foreign: (side) => side.loneSlug },
  tool: {
    ...names,
    own: (side) => side.tool,
    foreign: (side) => side.loneTool,
    sibling: (side) => side.loneTool,
  },
  grant: { ...integers, own: (side) => side.grant, sibling: (side) => side.annexGrant },
  mapping: { ...integers, own: (side) => side.mapping, sibling: (side) => side.annexMapping },
  /** What the mapping reads. */
  mapped: { ...integers, own: (side) => side.listing },
  sync: { ...uuids, own: (side) => side.sync },
  /** What both mappings have, and what none has. */
  item: { ...names, own: () => '1', foreign: () => 'of-nobody' },
  delivery: { ...uuids, own: (side) => side.delivery },
  /** Of the agent, in the workspace. */
  call: { ...uuids, own: (side) => side.call, sibling: (side) => side.annexCall },
  workersCall: { ...uuids, own: (side) => side.workersCall },
  /** Of the owner, in no workspace. */
  directCall: { ...uuids, own: (side) => side.directCall },
  /** The request of the agent's call. */
  request: { ...texts, own: (side) => side.request },
  /** What a record of the trail is about. */
  object: { ...texts, own: (side) => side.connection },
  /** The organization that is none. */
  installation: { ...uuids, own: () => INSTALLATION },
} satisfies Record<string, IdKind>;

/**
 * Where an id is: `choice` is the organization in the query that says which of several is meant, `filter` one of a list's.
 */
export type Place = 'path' | 'choice' | 'filter' | 'cursor' | 'header' | 'body' | 'nested' | 'name';

export interface Position {
  place: Place;
  /** Parameter, field or header. */
  name: string;
  id: IdKind;
  /** Sent only by the cells that are about it. */
  optional: boolean;
  /** Of a filter: to whom a list shows rows, where they are others than without it. */
  rowsFor?: readonly Role[];
  /** Of a filter: operators find something by the ids of every organization, so that none is foreign to them. */
  operatorToo?: boolean;
}

const required = (place: Place, name: string, id: IdKind): Position => ({ place, name, id, optional: false });
const optional = (place: Place, name: string, id: IdKind): Position => ({ place, name, id, optional: true });

export const path = (name: string, id: IdKind): Position => required('path', name, id);
export const body = (name: string, id: IdKind): Position => required('body', name, id);
/** In a list inside the body. */
export const nested = (name: string, id: IdKind): Position => optional('nested', name, id);
/** A name in the body that says who or what is meant, which is no id: what does not fit it is a wrong field. */
export const name = (field: string, id: IdKind): Position => required('name', field, id);
export const filter = (parameter: string, id: IdKind): Position => optional('filter', parameter, id);
export const filterFor = (parameter: string, id: IdKind, rowsFor: readonly Role[]): Position => ({
  ...filter(parameter, id),
  rowsFor,
});
export const choice = optional('choice', 'organization', ID.organization);
export const header = optional('header', 'X-Workspace-Id', ID.workspace);

/** Cursors of real lists are made of ids; these come from elsewhere. */
export function cursor(id: IdKind): Position {
  const encoded = (value: Value): string => Buffer.from(String(value)).toString('base64url');
  return optional('cursor', 'cursor', {
    own: (side) => encoded(id.own(side)),
    unknown: encoded(id.unknown),
    malformed: encoded('no-id-at-all'),
    wrongType: '',
  });
}

/** Of lists of history, whose cursors are ids as they are. */
export const idAsCursor = (id: IdKind): Position => optional('cursor', 'cursor', { ...id, sibling: undefined });
