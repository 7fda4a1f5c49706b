import type { Case, Rows, Values } from './cells.js';
import { body, choice, cursor, filter, ID, path, type Position } from './ids.js';
import { who } from './identity-rows.js';
import { connectionBody, made, serverType, type Role, type Side, type World } from './world.js';

const REGISTRY = 'api/v1/mcp/registry';
const CONNECTIONS = 'api/v1/mcp/connections';
const REVIEWS = 'api/v1/mcp/reviews';
const USERS: readonly Role[] = ['owner', 'admin', 'member', 'manager', 'worker'];

async function newType(side: Side, unique: string): Promise<Values> {
  const { organization } = side;
  const type = serverType(side.mark, { organization, qualified_name: `fresh/${unique}` });
  return { id: Number((await made(side.actors.owner.post(`/${REGISTRY}/`, type))).id) };
}

async function newGlobalType(_side: Side, unique: string, { app }: World): Promise<Values> {
  const type = serverType('nobody', { qualified_name: `global/${unique}` });
  return { id: Number((await made(app.admin.post(`/${REGISTRY}/`, type))).id) };
}

export async function newConnection(side: Side, unique: string): Promise<Values> {
  const connection = connectionBody(side, side.serverType, unique);
  const { id, server_id: serverId } = await made(side.actors.owner.post(`/${CONNECTIONS}/`, connection));
  return { id: id as string, serverId: serverId as string };
}

const type = path('id', ID.serverType);
/** Of the product: everybody with an account reads it. */
const shipped = path('id', { ...ID.serverType, own: () => 3 });
const id = path('id', ID.connection);
const readShipped: Case = {
  title: 'global type',
  ids: [shipped],
  answers: who(200, 200, 200, 200, 200, 404),
  belongsToAll: true,
};
/** The body is a document of others, so the organization stands in the query. */
const importedInto: Position = { ...choice, optional: false };
const serverJson = (mark: string, unique: string): object => ({
  name: `imported.${mark}/${unique}`,
  description: mark,
  version: '1.0.0',
  remotes: [{ type: 'streamable-http', url: 'https://mcp.example.com/mcp' }],
});
const review = path('id', ID.review);
const tool = path('id', ID.tool);
/** Members read the reviews of the whole organization, whatever their workspaces were granted. */
const reviewedTool = path('id', { ...ID.tool, sibling: undefined });
const approve = (): object => ({ action: 'approve' });

/** "edit" of "organization's own server types, connections, credentials, discovery, tool review". */
const edit = (success: number): Record<Role, number> => who(404, success, 403, 403, 403, 404);
const read = who(404, 200, 200, 200, 200, 404);

function typeCases(success: number, more: Partial<Case>): Case[] {
  return [
    { title: 'own type', ids: [type], answers: edit(success), fresh: newType, ...more },
    {
      title: 'global type',
      ids: [shipped],
      answers: who(success, 403, 403, 403, 403, 404),
      fresh: newGlobalType,
      belongsToAll: true,
      ...more,
    },
  ];
}

export const CONNECTION_ROWS: Rows = {
  [`GET /${REGISTRY}`]: [
    {
      ids: [cursor(ID.serverType)],
      answers: who(200, 200, 200, 200, 200, 200),
      rowsFor: ['operator', ...USERS],
    },
  ],
  [`POST /${REGISTRY}`]: [
    {
      title: 'own type',
      ids: [body('organization', ID.organization)],
      answers: edit(201),
      rest: (side, unique) => serverType(side.mark, { qualified_name: `made/${unique}` }),
    },
    {
      title: 'global type',
      ids: [],
      answers: who(201, 403, 403, 403, 403, 403),
      rest: (_side, unique) => serverType('nobody', { qualified_name: `made/${unique}` }),
    },
  ],
  [`POST /${REGISTRY}/import`]: [
    {
      title: 'own type',
      ids: [importedInto],
      answers: edit(201),
      rest: (side, unique) => serverJson(side.mark, unique),
    },
    {
      title: 'global type',
      ids: [],
      answers: who(201, 403, 403, 403, 403, 403),
      rest: (_side, unique) => serverJson('nobody', unique),
    },
  ],
  [`GET /${REGISTRY}/:id`]: [{ title: 'own type', ids: [type], answers: read }, readShipped],
  [`GET /${REGISTRY}/:id/config-schema`]: [{ title: 'own type', ids: [type], answers: read }, readShipped],
  [`PATCH /${REGISTRY}/:id`]: typeCases(200, { rest: () => ({ display_name: 'Renamed' }) }),
  [`DELETE /${REGISTRY}/:id`]: typeCases(204, {}),

  [`GET /${CONNECTIONS}`]: [
    {
      ids: [filter('organization', ID.organization), filter('server', ID.serverType), cursor(ID.connection)],
      answers: who(200, 200, 200, 200, 200, 200),
      rowsFor: USERS,
    },
  ],
  [`POST /${CONNECTIONS}`]: [
    {
      ids: [body('organization', ID.organization), body('server', ID.serverType)],
      answers: edit(201),
      rest: (side, unique) => connectionBody(side, side.serverType, unique),
    },
  ],
  [`GET /${CONNECTIONS}/:id`]: [{ ids: [id], answers: read }],
  [`PATCH /${CONNECTIONS}/:id`]: [
    { ids: [id], answers: edit(200), rest: () => ({ description: 'changed', is_active: false }), fresh: newConnection },
  ],
  [`DELETE /${CONNECTIONS}/:id`]: [{ ids: [id], answers: edit(204), fresh: newConnection }],
  [`PUT /${CONNECTIONS}/:id/credentials`]: [
    {
      ids: [id],
      answers: edit(200),
      rest: (side) => ({ auth_data: { base_url: side.upstream.url, api_token: side.credential } }),
      fresh: newConnection,
    },
  ],
  [`GET /${CONNECTIONS}/:id/health`]: [{ ids: [id, cursor(ID.check)], answers: read, rowsFor: USERS }],
  [`POST /${CONNECTIONS}/:id/test`]: [{ ids: [id], answers: edit(200) }],
  [`POST /${CONNECTIONS}/:id/discover`]: [{ ids: [id], answers: edit(200), rest: () => ({}) }],
  [`GET /${CONNECTIONS}/:id/discoveries`]: [{ ids: [id, cursor(ID.run)], answers: read, rowsFor: USERS }],
  [`GET /${CONNECTIONS}/:id/discoveries/:runId`]: [{ ids: [id, path('runId', ID.run)], answers: read }],

  [`GET /${REVIEWS}`]: [
    {
      ids: [filter('connection', ID.connection), cursor(ID.review)],
      answers: who(200, 200, 200, 200, 200, 200),
      rowsFor: USERS,
    },
  ],
  [`GET /${REVIEWS}/:id`]: [{ ids: [review], answers: read }],
  [`POST /${REVIEWS}/:id`]: [{ ids: [review], answers: edit(200), rest: approve }],
  'PATCH /mcp/tools/:id': [{ ids: [tool, choice], answers: edit(200), rest: () => ({ effect: 'write' }) }],
  'POST /mcp/tools/:id/review': [{ ids: [tool, choice], answers: edit(200), rest: approve }],
  'GET /mcp/tools/:id/diff': [{ ids: [reviewedTool, choice], answers: read }],
};
