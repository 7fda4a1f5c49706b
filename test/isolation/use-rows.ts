import type { Rows, Values } from './cells.js';
import { newConnection } from './connection-rows.js';
import { body, choice, cursor, filter, header, ID, nested, path } from './ids.js';
import { who } from './identity-rows.js';
import { made, type Role, type Side } from './world.js';

const RESOURCES = 'api/v1/mcp/resources';
const ACCESS = 'api/v1/mcp/workspace-access';
/** To whom the grants of the workspace show what they give. */
const GRANTED: readonly Role[] = ['owner', 'admin', 'manager', 'worker', 'agent'];

/** In the annex, so that the grants by which everybody else sees things stay as they are. */
export async function newGrant(side: Side, unique: string): Promise<Values> {
  const { annex: workspace, connection, resource } = side;
  const grant = { workspace, connection, access_name: unique, allowed_resources: [resource], auto_sync: false };
  return { id: (await made(side.actors.owner.post(`/${ACCESS}/`, grant))).id as number };
}

const resource = path('id', ID.resource);
const server = path('serverId', ID.server);
const tool = path('id', ID.tool);
const grant = path('id', ID.grant);
const everybody = who(200, 200, 200, 200, 200, 200);
const use = who(404, 200, 404, 200, 200, 200);
const editGrants = (success: number): Record<Role, number> => who(404, success, 404, 403, 403, 403);

export const USE_ROWS: Rows = {
  [`GET /${RESOURCES}`]: [
    {
      ids: [filter('connection', ID.connection), filter('parent', ID.parent), header, cursor(ID.resource)],
      answers: everybody,
      rowsFor: GRANTED,
    },
  ],
  [`GET /${RESOURCES}/:id`]: [{ ids: [resource, header], answers: use }],
  [`POST /${RESOURCES}/:id/read`]: [{ ids: [resource, header], answers: use }],

  'GET /mcp/servers': [
    {
      ids: [filter('organization', ID.organization), cursor(ID.connection)],
      answers: everybody,
      rowsFor: ['owner', 'admin', 'member', 'manager', 'worker', 'agent'],
    },
  ],
  'POST /mcp/servers': [
    {
      ids: [body('organization', ID.organization)],
      answers: who(404, 200, 403, 403, 403, 404),
      rest: (_side, unique, { open }) => ({ server_id: unique, server_name: unique, server_url: open.url }),
    },
  ],
  'DELETE /mcp/servers/:serverId': [
    { ids: [server, choice], answers: who(404, 200, 403, 403, 403, 403), fresh: newConnection },
  ],
  'GET /mcp/servers/:serverId/resources': [
    {
      ids: [server, choice, header, cursor(ID.resource)],
      // Members read what the organization is connected to.
      answers: who(404, 200, 200, 200, 200, 200),
      rowsFor: GRANTED,
    },
  ],
  'POST /mcp/servers/:serverId/resources/:uri/read': [
    { ids: [server, path('uri', ID.uri), choice, header], answers: use },
  ],

  'GET /mcp/tools': [
    {
      ids: [
        filter('organization', ID.organization),
        filter('server_id', { ...ID.server, malformed: 'x'.repeat(65) }),
        header,
        cursor(ID.resource),
      ],
      answers: everybody,
      rowsFor: GRANTED,
    },
  ],
  'GET /mcp/tools/:id': [{ ids: [tool, choice, header], answers: use }],
  'POST /mcp/tools/:id/execute': [
    { ids: [tool, choice, header], answers: use, rest: () => ({ arguments: { message: 'hello' } }) },
  ],

  [`GET /${ACCESS}`]: [
    {
      ids: [filter('workspace', ID.workspace), filter('connection', ID.connection), cursor(ID.grant)],
      answers: everybody,
      rowsFor: GRANTED,
    },
  ],
  [`POST /${ACCESS}`]: [
    {
      ids: [
        body('workspace', ID.workspace),
        body('connection', ID.connection),
        nested('allowed_resources', ID.resource),
      ],
      answers: editGrants(201),
      rest: (_side, unique) => ({ access_name: unique, auto_sync: false }),
    },
  ],
  [`GET /${ACCESS}/:id`]: [{ ids: [grant], answers: use }],
  [`PATCH /${ACCESS}/:id`]: [
    {
      ids: [grant, nested('allowed_resources', ID.resource)],
      answers: editGrants(200),
      rest: () => ({ description: 'changed' }),
      fresh: newGrant,
    },
  ],
  [`DELETE /${ACCESS}/:id`]: [{ ids: [grant], answers: editGrants(204), fresh: newGrant }],
  [`POST /${ACCESS}/:id/add-resource`]: [
    { ids: [grant, body('resource_id', ID.resource)], answers: editGrants(200), fresh: newGrant },
  ],
  [`POST /${ACCESS}/:id/remove-resource`]: [
    { ids: [grant, body('resource_id', ID.resource)], answers: editGrants(200), fresh: newGrant },
  ],
  [`GET /${ACCESS}/:id/resources`]: [{ ids: [grant, cursor(ID.resource)], answers: use, rowsFor: GRANTED }],
  'POST /mcp/workspaces/:workspace': [
    {
      ids: [path('workspace', ID.workspace)],
      answers: who(404, 200, 404, 200, 200, 200),
      isDoor: true,
      rest: () => ({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'matrix', version: '1' } },
      }),
    },
  ],
  [`GET /${ACCESS}/:id/effective`]: [{ ids: [grant], answers: use }],
  [`POST /${ACCESS}/:id/check`]: [
    { title: 'of a tool', ids: [grant, body('tool', ID.tool)], answers: use },
    { title: 'of a resource', ids: [grant, body('resource', ID.resource)], answers: use },
    { title: 'of a URI', ids: [grant, body('resource', { ...ID.uri, wrongType: true })], answers: use },
  ],
};
