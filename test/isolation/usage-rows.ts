import type { Answer } from '../support/api-client.js';
import type { Case, Rows, Values } from './cells.js';
import { choice, cursor, filter, filterFor, ID, idAsCursor, path, type IdKind, type Position } from './ids.js';
import { who } from './identity-rows.js';
import { newGrant } from './use-rows.js';
import { BUDGET, made, type Role, type Side } from './world.js';

const AUDIT = 'api/v1/mcp/audit';
const CALLS = 'api/v1/mcp/calls';
const USAGE = 'api/v1/mcp/usage';
const BUDGETS = 'api/v1/mcp/workspace-access/:id/budget';
/** Who is in the workspace, and who administers it. */
const IN_WORKSPACE: readonly Role[] = ['owner', 'admin', 'manager', 'worker', 'agent'];

const everybody = who(200, 200, 200, 200, 200, 200);
const grant = path('id', ID.grant);
/** Grants of the annex beside the one with history, see use-rows.ts. */
async function newBudget(side: Side, unique: string): Promise<Values> {
  const values = await newGrant(side, unique);
  await made(side.actors.owner.put(`/api/v1/mcp/workspace-access/${String(values.id)}/budget/`, BUDGET));
  return values;
}

const totalFilters: Position[] = [filter('workspace', ID.workspace), filter('connection', ID.connection)];
const listFilters: Position[] = [
  ...totalFilters,
  filter('workspace_access', ID.grant),
  filter('resource', ID.resource),
];

/** Everything that a summary counts: nothing of it where it is zero all over. */
function countedIn({ body }: Answer): string[] {
  const { by_day: days, by_connection: connections, by_tool: tools, by_resource_type: types, ...totals } = body;
  const named = (name: string, parts: object): string[] =>
    Object.entries(parts).map(([key, part]) => `${name} ${key} ${JSON.stringify(part)}`);
  const isSome = ({ date: _date, ...day }: Record<string, unknown>): boolean => Object.values(day).some((n) => n !== 0);
  return [
    ...Object.entries(totals).flatMap(([name, value]) => (value === 0 ? [] : [`${name} ${String(value)}`])),
    ...named('by_connection', connections),
    ...named('by_tool', tools),
    ...named('by_resource_type', types),
    ...named('by_day', days.filter(isSome)),
  ];
}

function linesAfterHeader({ text }: Answer): string[] {
  return text.trimEnd().split('\r\n').slice(1);
}

function list(ids: Position[], more: Partial<Case> = {}): Case[] {
  return [{ ids, answers: everybody, rowsFor: IN_WORKSPACE, ...more }];
}

function callCase(title: string, id: IdKind, workspace: number, agent: number): Case {
  return { title, ids: [path('id', id)], answers: who(404, 200, 404, workspace, workspace, agent) };
}

/** Of a list of the trail, in which everybody finds what they did themselves, at least that they logged in. */
const trailFilters: Position[] = [
  filterFor('organization', ID.organization, IN_WORKSPACE),
  // Operators see who came and went in the whole installation.
  { ...filterFor('actor', ID.user, ['operator', 'owner', 'admin', 'worker']), operatorToo: true },
  filterFor('object_id', ID.object, ['owner', 'admin']),
  filterFor('request_id', ID.request, ['owner', 'admin', 'agent']),
  idAsCursor(ID.call),
];
const ofInstallation = { id: ID.installation, name: 'organization', optional: false };

export const USAGE_ROWS: Rows = {
  [`GET /${AUDIT}`]: [
    {
      ids: trailFilters,
      answers: everybody,
      rowsFor: ['operator', 'owner', 'admin', 'member', 'manager', 'worker', 'agent'],
      operatorSeesInstallation: true,
    },
    {
      title: 'of the installation',
      ids: [{ ...ofInstallation, place: 'filter' }],
      answers: everybody,
      rowsFor: ['operator'],
      belongsToAll: true,
      operatorSeesInstallation: true,
    },
  ],
  [`GET /${AUDIT}/verify`]: [
    { title: 'of all', ids: [], answers: who(200, 200, 403, 403, 403, 403) },
    {
      title: 'of one organization',
      ids: [{ ...choice, optional: false }],
      answers: who(404, 200, 403, 403, 403, 404),
    },
    {
      title: 'of the installation',
      ids: [{ ...ofInstallation, place: 'choice' }],
      answers: who(200, 404, 404, 404, 404, 404),
      belongsToAll: true,
    },
  ],

  [`GET /${USAGE}`]: list([...listFilters, cursor(ID.resource)]),
  [`GET /${USAGE}/summary`]: list(totalFilters, { rowsIn: countedIn }),
  [`GET /${USAGE}/export`]: list(listFilters, { rowsIn: linesAfterHeader }),

  [`GET /${CALLS}`]: list([
    filter('workspace', ID.workspace),
    filter('workspace_access', ID.grant),
    filter('connection', ID.connection),
    filter('resource', ID.resource),
    filterFor('actor', ID.user, ['owner', 'admin', 'manager', 'worker']),
    filter('request_id', ID.request),
    idAsCursor(ID.call),
  ]),
  [`GET /${CALLS}/:id`]: [
    callCase("the agent's", ID.call, 200, 200),
    callCase("the worker's", ID.workersCall, 200, 404),
    callCase("the owner's, directly", ID.directCall, 404, 404),
  ],

  [`GET /${BUDGETS}`]: [{ ids: [grant], answers: who(404, 200, 404, 200, 200, 200) }],
  [`PUT /${BUDGETS}`]: [{ ids: [grant], answers: who(404, 200, 404, 403, 403, 403), rest: () => BUDGET }],
  [`DELETE /${BUDGETS}`]: [{ ids: [grant], answers: who(404, 204, 404, 403, 403, 403), fresh: newBudget }],
};
