import { randomUUID } from 'node:crypto';
import type { Rows, Values } from './cells.js';
import { body, cursor, filter, ID, name, path } from './ids.js';
import type { Role, Side, World } from './world.js';

/** The columns of "Who may do what". */
export function who(
  operator: number,
  admins: number,
  member: number,
  manager: number,
  worker: number,
  agent: number,
): Record<Role, number> {
  return { operator, owner: admins, admin: admins, member, manager, worker, agent };
}

const PASSWORD = 'correct horse battery staple';
const ORGANIZATION = 'api/v1/organizations';
const WORKSPACE = 'api/v1/workspaces';

async function newPerson({ app }: World): Promise<string> {
  const id = randomUUID();
  await app.query('INSERT INTO users (id, username) VALUES ($1, $2)', [id, `fresh-${id}`]);
  return id;
}

async function newMemberOf(world: World, side: Side): Promise<string> {
  const id = await newPerson(world);
  await world.app.query("INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'member')", [
    side.organization,
    id,
  ]);
  return id;
}

async function newColleague(side: Side, _unique: string, world: World): Promise<Values> {
  const userId = await newMemberOf(world, side);
  await world.app.query("INSERT INTO workspace_members (workspace_id, user_id, role) VALUES ($1, $2, 'member')", [
    side.workspace,
    userId,
  ]);
  return { userId };
}

async function newWorkspace(side: Side, unique: string, { app }: World): Promise<Values> {
  const id = randomUUID();
  await app.query('INSERT INTO workspaces (id, organization_id, name) VALUES ($1, $2, $3)', [
    id,
    side.organization,
    unique,
  ]);
  return { id };
}

async function newOrganization(_side: Side, unique: string, { app }: World): Promise<Values> {
  const id = randomUUID();
  await app.query('INSERT INTO organizations (id, name) VALUES ($1, $2)', [id, unique]);
  return { id };
}

async function newToken(side: Side, unique: string, { app }: World): Promise<Values> {
  const tokenId = randomUUID();
  await app.query(
    "INSERT INTO workspace_tokens (id, workspace_id, name, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')",
    [tokenId, side.workspace, unique],
  );
  return { tokenId };
}

const freshPerson = async (_side: Side, _unique: string, world: World): Promise<Values> => ({
  id: await newPerson(world),
});
const freshMember = async (side: Side, _unique: string, world: World): Promise<Values> => ({
  userId: await newMemberOf(world, side),
});
const freshUsername = async (side: Side, _unique: string, world: World): Promise<Values> => ({
  username: `fresh-${await newMemberOf(world, side)}`,
});

const id = path('id', ID.workspace);
const organization = path('id', ID.organization);
const user = path('id', ID.user);
const operators = { operatorsOnly: true, operatorSeesAll: true };

export const IDENTITY_ROWS: Rows = {
  'POST /api/v1/auth/logout': [{ ids: [], answers: who(204, 204, 204, 204, 204, 403), endsSession: true }],
  'GET /api/v1/auth/me': [{ ids: [], answers: who(200, 200, 200, 200, 200, 200) }],
  'PUT /api/v1/auth/password': [
    {
      ids: [],
      answers: who(204, 204, 204, 204, 204, 403),
      rest: () => ({ current_password: PASSWORD, new_password: PASSWORD }),
      endsSession: true,
    },
  ],

  [`GET /${ORGANIZATION}`]: [
    {
      ids: [cursor(ID.organization)],
      answers: who(200, 200, 200, 200, 200, 200),
      rowsFor: ['operator', 'owner', 'admin', 'member', 'manager', 'worker'],
      operatorSeesAll: true,
    },
  ],
  [`POST /${ORGANIZATION}`]: [
    {
      ids: [body('owner', ID.user)],
      answers: who(201, 403, 403, 403, 403, 403),
      rest: (_side, unique) => ({ name: unique }),
      fresh: async (_side, _unique, world) => ({ owner: world.nobody }),
      ...operators,
    },
  ],
  [`GET /${ORGANIZATION}/:id`]: [
    { ids: [organization], answers: who(200, 200, 200, 200, 200, 404), operatorSeesAll: true },
  ],
  [`PATCH /${ORGANIZATION}/:id`]: [
    {
      ids: [organization],
      answers: who(200, 403, 403, 403, 403, 404),
      rest: (_side, unique) => ({ name: `renamed-${unique}` }),
      fresh: newOrganization,
      operatorSeesAll: true,
    },
  ],
  [`DELETE /${ORGANIZATION}/:id`]: [
    { ids: [organization], answers: who(204, 403, 403, 403, 403, 404), fresh: newOrganization, operatorSeesAll: true },
  ],
  [`GET /${ORGANIZATION}/:id/members`]: [
    { ids: [organization, cursor(ID.user)], answers: who(404, 200, 403, 403, 403, 404), rowsFor: ['owner', 'admin'] },
  ],
  [`POST /${ORGANIZATION}/:id/members`]: [
    {
      ids: [organization],
      answers: who(404, 201, 403, 403, 403, 404),
      // Anybody of the installation can be asked to join, so this name is nobody's secret.
      rest: async (_side, _unique, world) => ({ username: `fresh-${await newPerson(world)}`, role: 'member' }),
    },
  ],
  [`PATCH /${ORGANIZATION}/:id/members/:userId`]: [
    {
      ids: [organization, path('userId', ID.user)],
      answers: who(404, 200, 403, 403, 403, 404),
      rest: () => ({ role: 'admin' }),
      fresh: freshMember,
    },
  ],
  [`DELETE /${ORGANIZATION}/:id/members/:userId`]: [
    {
      ids: [organization, path('userId', ID.user)],
      answers: who(404, 204, 403, 403, 403, 404),
      fresh: freshMember,
    },
  ],

  'GET /api/v1/users': [
    { ids: [cursor(ID.user)], answers: who(200, 403, 403, 403, 403, 403), rowsFor: ['operator'], ...operators },
  ],
  'POST /api/v1/users': [
    {
      ids: [],
      answers: who(201, 403, 403, 403, 403, 403),
      rest: (_side, unique) => ({ username: unique }),
      ...operators,
    },
  ],
  'GET /api/v1/users/:id': [{ ids: [user], answers: who(200, 403, 403, 403, 403, 403), ...operators }],
  'PATCH /api/v1/users/:id': [
    {
      ids: [user],
      answers: who(200, 403, 403, 403, 403, 403),
      rest: () => ({ email: 'jane@acme.example' }),
      fresh: freshPerson,
      ...operators,
    },
  ],
  'PUT /api/v1/users/:id/password': [
    {
      ids: [user],
      answers: who(204, 403, 403, 403, 403, 403),
      rest: () => ({ password: PASSWORD }),
      fresh: freshPerson,
      ...operators,
    },
  ],
  'DELETE /api/v1/users/:id': [
    { ids: [user], answers: who(204, 403, 403, 403, 403, 403), fresh: freshPerson, ...operators },
  ],

  [`GET /${WORKSPACE}`]: [
    {
      ids: [filter('organization', ID.organization), cursor(ID.workspace)],
      answers: who(200, 200, 200, 200, 200, 200),
      rowsFor: ['owner', 'admin', 'manager', 'worker', 'agent'],
    },
  ],
  [`POST /${WORKSPACE}`]: [
    {
      ids: [body('organization', ID.organization)],
      answers: who(404, 201, 403, 403, 403, 404),
      rest: (_side, unique) => ({ name: unique }),
    },
  ],
  [`GET /${WORKSPACE}/:id`]: [{ ids: [id], answers: who(404, 200, 404, 200, 200, 200) }],
  [`PATCH /${WORKSPACE}/:id`]: [
    {
      ids: [id],
      answers: who(404, 200, 404, 403, 403, 403),
      rest: (_side, unique) => ({ name: `renamed-${unique}` }),
      fresh: newWorkspace,
    },
  ],
  [`DELETE /${WORKSPACE}/:id`]: [{ ids: [id], answers: who(404, 204, 404, 403, 403, 403), fresh: newWorkspace }],
  [`GET /${WORKSPACE}/:id/members`]: [
    {
      ids: [id, cursor(ID.user)],
      answers: who(404, 200, 404, 200, 200, 200),
      rowsFor: ['owner', 'admin', 'manager', 'worker', 'agent'],
    },
  ],
  [`POST /${WORKSPACE}/:id/members`]: [
    {
      ids: [id, name('username', ID.username)],
      answers: who(404, 201, 404, 201, 403, 403),
      rest: () => ({ role: 'member' }),
      fresh: freshUsername,
    },
  ],
  [`PATCH /${WORKSPACE}/:id/members/:userId`]: [
    {
      ids: [id, path('userId', ID.colleague)],
      answers: who(404, 200, 404, 200, 403, 403),
      rest: () => ({ role: 'manager' }),
      fresh: newColleague,
    },
  ],
  [`DELETE /${WORKSPACE}/:id/members/:userId`]: [
    { ids: [id, path('userId', ID.colleague)], answers: who(404, 204, 404, 204, 403, 403), fresh: newColleague },
  ],
  [`GET /${WORKSPACE}/:id/tokens`]: [
    {
      ids: [id, cursor(ID.token)],
      answers: who(404, 200, 404, 200, 403, 403),
      rowsFor: ['owner', 'admin', 'manager'],
    },
  ],
  [`POST /${WORKSPACE}/:id/tokens`]: [
    { ids: [id], answers: who(404, 201, 404, 201, 403, 403), rest: (_side, unique) => ({ name: unique }) },
  ],
  [`DELETE /${WORKSPACE}/:id/tokens/:tokenId`]: [
    { ids: [id, path('tokenId', ID.token)], answers: who(404, 204, 404, 204, 403, 403), fresh: newToken },
  ],
};
