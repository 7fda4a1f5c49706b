import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { deliveryOf, made } from '../isolation/world.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import type { TestApp } from '../support/app.js';
import { newMember, newTenant, newUser, type Tenant, type TestUser } from '../support/tenants.js';
import type { OldEraUpstream } from '../support/upstreams/old-era.js';

export const PASSWORD = 'correct horse battery staple';
export const NEW_PASSWORD = 'another horse, another staple';
export const CREDENTIAL = 'credential-that-nobody-may-read';
const STREAMABLE_HTTP = 3;
export const V1 = '/api/v1';
export const CONNECTIONS = `${V1}/mcp/connections/`;
export const ACCESS = `${V1}/mcp/workspace-access/`;
const MAPPINGS = `${V1}/mcp/mappings/`;

export interface Stage {
  app: TestApp;
  tenant: Tenant;
  operator: TestUser;
  owner: TestUser;
  /** Asks for the credential. */
  upstream: OldEraUpstream;
  /** Asks for nothing. */
  open: OldEraUpstream;
  connection: { id: string; server_id: string };
  resources: { id: number; resource_uri: string }[];
}

/** What a record says: action, id of the object, organization (null: the installation). */
type Expected = [action: string, objectId: string | number, organization: string | null];

export interface Call {
  by: TestUser;
  /** Where nobody is signed in, `by` is who the trail names. */
  client?: ApiClient;
  path: string;
  body?: object;
  headers?: Record<string, string>;
  records: (answer: Answer['body']) => Expected[];
}

type Rows = Record<string, ((stage: Stage) => Promise<Call>)[]>;

/** Types of objects that are not the first word of the action. */
export const TYPES: Record<string, string> = { member: 'membership', budget: 'workspace_access' };

export const sessionOf = (token: string | null): string => String(decodeJwt(token ?? '').sid);
export const login = async ({ app }: Stage, { username }: TestUser): Promise<Answer['body']> =>
  made(app.anonymous.post(`${V1}/auth/login`, { username, password: PASSWORD }));

export async function newWorkspace({ tenant }: Stage): Promise<string> {
  const { organization, owner } = tenant;
  return (await made(owner.post(`${V1}/workspaces/`, { organization, name: randomUUID() }))).id as string;
}

async function newColleague(stage: Stage): Promise<TestUser> {
  const { app, tenant } = stage;
  const user = await newMember(app, tenant, 'member');
  const members = `${V1}/workspaces/${tenant.workspace}/members/`;
  await made(tenant.owner.post(members, { username: user.username, role: 'member' }));
  return user;
}

const typeBody = (more: object = {}): object => ({
  qualified_name: `acme/${randomUUID()}`,
  display_name: 'Acme',
  provider_type: 'acme',
  config_schema: { auth: { type: 'object', properties: {} }, options: { type: 'object', properties: {} } },
  transport: {
    type: 'streamable_http',
    url: `https://mcp.acme.example/?key=${CREDENTIAL}`,
    headers: { 'X-Key': CREDENTIAL },
  },
  ...more,
});

const serverJson = (): object => ({
  name: `com.acme/${randomUUID()}`,
  description: 'Acme',
  version: '1.0.0',
  remotes: [
    {
      type: 'sse',
      url: `https://mcp.acme.example/?key=${CREDENTIAL}`,
      headers: [{ name: 'X-Key', value: CREDENTIAL }],
    },
  ],
});

export async function newType({ tenant, app }: Stage, organization?: string): Promise<number> {
  const client = organization === undefined ? app.admin : tenant.owner;
  return Number((await made(client.post(`${V1}/mcp/registry/`, typeBody({ organization })))).id);
}

const authData = ({ upstream }: Stage): object => ({ base_url: upstream.url, api_token: CREDENTIAL });
const connectionBody = (stage: Stage, organization = stage.tenant.organization): object => ({
  server: STREAMABLE_HTTP,
  organization,
  connection_name: randomUUID(),
  auth_data: authData(stage),
});

export async function newConnection(stage: Stage): Promise<{ id: string; server_id: string }> {
  return made(stage.tenant.owner.post(CONNECTIONS, connectionBody(stage)));
}

export const grantBody = ({ tenant, connection, resources }: Stage): object => ({
  workspace: tenant.workspace,
  connection: connection.id,
  access_name: randomUUID(),
  allowed_resources: resources.slice(0, 1).map(({ id }) => id),
  auto_sync: false,
});

export async function newGrant(stage: Stage): Promise<number> {
  return (await made(stage.tenant.owner.post(ACCESS, grantBody(stage)))).id as number;
}

export async function reviewOf({ tenant, connection }: Stage, name: string): Promise<{ id: number }> {
  const rows: { id: number; name: string }[] = await made(
    tenant.owner.get(`${V1}/mcp/reviews/?connection=${connection.id}&limit=500`),
  );
  return rows.find((row) => row.name === name) ?? { id: 0 };
}

/** One call by the owner of the organization that writes one record about its object. */
function byOwner(
  prepare: (stage: Stage) => Promise<{ path: string; body?: object; object?: string | number }>,
  action: string,
): (stage: Stage) => Promise<Call> {
  return async (stage) => {
    const { object, ...call } = await prepare(stage);
    const { organization } = stage.tenant;
    return { by: stage.owner, ...call, records: (answer) => [[action, object ?? answer.id, organization]] };
  };
}

const AUTH_ROWS: Rows = {
  'POST /api/v1/auth/login': [
    async ({ app }) => {
      const by = await newUser(app);
      return {
        by,
        client: app.anonymous,
        path: `${V1}/auth/login`,
        body: { username: by.username.toUpperCase(), password: PASSWORD },
        records: ({ access_token: token }) => [['session.started', sessionOf(token), null]],
      };
    },
  ],
  'POST /api/v1/auth/refresh': [
    async (stage) => {
      const by = await newUser(stage.app);
      const { refresh_token: token, access_token: access } = await login(stage, by);
      return {
        by,
        client: stage.app.anonymous,
        path: `${V1}/auth/refresh`,
        body: { refresh_token: token },
        records: () => [['session.refreshed', sessionOf(access), null]],
      };
    },
  ],
  'POST /api/v1/auth/logout': [
    async ({ app }) => {
      const by = await newUser(app);
      const records = (): Expected[] => [['session.ended', sessionOf(by.client.token), null]];
      return { by, path: `${V1}/auth/logout`, records };
    },
  ],
  'PUT /api/v1/auth/password': [
    async ({ app }) => {
      const by = await newUser(app);
      const body = { current_password: PASSWORD, new_password: NEW_PASSWORD };
      return { by, path: `${V1}/auth/password`, body, records: () => [['user.password_changed', by.id, null]] };
    },
  ],
};

const USER_ROWS: Rows = {
  'POST /api/v1/users': [
    async ({ operator }) => ({
      by: operator,
      path: `${V1}/users/`,
      body: { username: `made-${randomUUID()}`, password: NEW_PASSWORD },
      records: ({ id }) => [['user.created', id, null]],
    }),
  ],
  'PATCH /api/v1/users/:id': [
    async ({ app, operator }) => {
      const { id } = await newUser(app);
      const records = (): Expected[] => [['user.updated', id, null]];
      return { by: operator, path: `${V1}/users/${id}/`, body: { is_active: false }, records };
    },
  ],
  'PUT /api/v1/users/:id/password': [
    async ({ app, operator }) => {
      const { id } = await newUser(app);
      const records = (): Expected[] => [['user.password_changed', id, null]];
      return { by: operator, path: `${V1}/users/${id}/password`, body: { password: NEW_PASSWORD }, records };
    },
  ],
  'DELETE /api/v1/users/:id': [
    async ({ app, operator, tenant }) => {
      const { id } = await newMember(app, tenant, 'member');
      const records = (): Expected[] => [
        ['user.deleted', id, null],
        ['member.removed', id, tenant.organization],
      ];
      return { by: operator, path: `${V1}/users/${id}/`, records };
    },
  ],
};

const ORGANIZATION_ROWS: Rows = {
  'POST /api/v1/organizations': [
    async ({ app, operator }) => {
      const owner = (await newUser(app)).id;
      return {
        by: operator,
        path: `${V1}/organizations/`,
        body: { name: randomUUID(), owner },
        records: ({ id }) => [
          ['organization.created', id, id],
          ['member.added', owner, id],
        ],
      };
    },
  ],
  'PATCH /api/v1/organizations/:id': [
    async ({ app, operator }) => {
      const { organization: id } = await newTenant(app);
      const records = (): Expected[] => [['organization.updated', id, id]];
      return { by: operator, path: `${V1}/organizations/${id}/`, body: { name: randomUUID() }, records };
    },
  ],
  'DELETE /api/v1/organizations/:id': [
    async (stage) => {
      const { organization: id, owner } = await newTenant(stage.app);
      const connection = await made(owner.post(CONNECTIONS, connectionBody(stage, id)));
      const records = (): Expected[] => [
        ['organization.deleted', id, null],
        ['organization.deleted', id, id],
        ['connection.deleted', connection.id, id],
      ];
      return { by: stage.operator, path: `${V1}/organizations/${id}/`, records };
    },
  ],
  'POST /api/v1/organizations/:id/members': [
    byOwner(async ({ app, tenant }) => {
      const { id, username } = await newUser(app);
      const path = `${V1}/organizations/${tenant.organization}/members/`;
      return { path, body: { username, role: 'member' }, object: id };
    }, 'member.added'),
  ],
  'PATCH /api/v1/organizations/:id/members/:userId': [
    byOwner(async ({ app, tenant }) => {
      const { id } = await newMember(app, tenant, 'member');
      const path = `${V1}/organizations/${tenant.organization}/members/${id}/`;
      return { path, body: { role: 'admin' }, object: id };
    }, 'member.changed'),
  ],
  'DELETE /api/v1/organizations/:id/members/:userId': [
    async (stage) => {
      const { organization, workspace } = stage.tenant;
      const { id } = await newColleague(stage);
      const records = (): Expected[] => [
        ['workspace_member.removed', `${workspace}/${id}`, organization],
        ['member.removed', id, organization],
      ];
      return { by: stage.owner, path: `${V1}/organizations/${organization}/members/${id}/`, records };
    },
  ],
};

const WORKSPACE_ROWS: Rows = {
  'POST /api/v1/workspaces': [
    byOwner(async ({ tenant: { organization } }) => {
      return { path: `${V1}/workspaces/`, body: { organization, name: randomUUID() } };
    }, 'workspace.created'),
  ],
  'PATCH /api/v1/workspaces/:id': [
    byOwner(async (stage) => {
      const object = await newWorkspace(stage);
      return { path: `${V1}/workspaces/${object}/`, body: { description: 'Changed' }, object };
    }, 'workspace.updated'),
  ],
  'DELETE /api/v1/workspaces/:id': [
    byOwner(async (stage) => {
      const object = await newWorkspace(stage);
      return { path: `${V1}/workspaces/${object}/`, object };
    }, 'workspace.deleted'),
  ],
  'POST /api/v1/workspaces/:id/members': [
    byOwner(async ({ app, tenant }) => {
      const { id, username } = await newMember(app, tenant, 'member');
      const path = `${V1}/workspaces/${tenant.workspace}/members/`;
      return { path, body: { username, role: 'member' }, object: `${tenant.workspace}/${id}` };
    }, 'workspace_member.added'),
  ],
  'PATCH /api/v1/workspaces/:id/members/:userId': [
    byOwner(async (stage) => {
      const { workspace } = stage.tenant;
      const { id } = await newColleague(stage);
      const path = `${V1}/workspaces/${workspace}/members/${id}/`;
      return { path, body: { role: 'manager' }, object: `${workspace}/${id}` };
    }, 'workspace_member.changed'),
  ],
  'DELETE /api/v1/workspaces/:id/members/:userId': [
    byOwner(async (stage) => {
      const { workspace } = stage.tenant;
      const { id } = await newColleague(stage);
      return { path: `${V1}/workspaces/${workspace}/members/${id}/`, object: `${workspace}/${id}` };
    }, 'workspace_member.removed'),
  ],
  'POST /api/v1/workspaces/:id/tokens': [
    byOwner(async ({ tenant: { workspace } }) => {
      return { path: `${V1}/workspaces/${workspace}/tokens/`, body: { name: 'Agent' } };
    }, 'workspace_token.created'),
  ],
  'DELETE /api/v1/workspaces/:id/tokens/:tokenId': [
    byOwner(async ({ tenant: { owner, workspace } }) => {
      const tokens = `${V1}/workspaces/${workspace}/tokens/`;
      const { id: object } = await made(owner.post(tokens, { name: 'Agent' }));
      return { path: `${tokens}${object}/`, object };
    }, 'workspace_token.revoked'),
  ],
};

const REGISTRY_ROWS: Rows = {
  'POST /api/v1/mcp/registry': [
    byOwner(async ({ tenant: { organization } }) => {
      return { path: `${V1}/mcp/registry/`, body: typeBody({ organization }) };
    }, 'server_type.created'),
    async ({ operator }) => ({
      by: operator,
      path: `${V1}/mcp/registry/`,
      body: typeBody(),
      records: ({ id }) => [['server_type.created', id, null]],
    }),
  ],
  'POST /api/v1/mcp/registry/import': [
    byOwner(async ({ tenant: { organization } }) => {
      return { path: `${V1}/mcp/registry/import/?organization=${organization}`, body: serverJson() };
    }, 'server_type.created'),
    async ({ operator }) => ({
      by: operator,
      path: `${V1}/mcp/registry/import/`,
      body: serverJson(),
      records: ({ id }) => [['server_type.created', id, null]],
    }),
  ],
  'PATCH /api/v1/mcp/registry/:id': [
    byOwner(async (stage) => {
      const object = await newType(stage, stage.tenant.organization);
      return { path: `${V1}/mcp/registry/${object}/`, body: { display_name: 'Changed' }, object };
    }, 'server_type.updated'),
  ],
  'DELETE /api/v1/mcp/registry/:id': [
    async (stage) => {
      const id = await newType(stage);
      const records = (): Expected[] => [['server_type.deleted', id, null]];
      return { by: stage.operator, path: `${V1}/mcp/registry/${id}/`, records };
    },
  ],
};

const CONNECTION_ROWS: Rows = {
  'POST /api/v1/mcp/connections': [
    byOwner(async (stage) => ({ path: CONNECTIONS, body: connectionBody(stage) }), 'connection.created'),
  ],
  'PATCH /api/v1/mcp/connections/:id': [
    byOwner(async (stage) => {
      const { id } = await newConnection(stage);
      return { path: `${CONNECTIONS}${id}/`, body: { config_options: { timeout: 7 } }, object: id };
    }, 'connection.updated'),
    async (stage) => {
      const { id } = await newConnection(stage);
      const { organization } = stage.tenant;
      const records = (): Expected[] => [
        ['connection.updated', id, organization],
        ['connection.credentials_changed', id, organization],
      ];
      const body = { description: 'Changed', auth_data: authData(stage) };
      return { by: stage.owner, path: `${CONNECTIONS}${id}/`, body, records };
    },
  ],
  'DELETE /api/v1/mcp/connections/:id': [
    byOwner(async (stage) => {
      const { id } = await newConnection(stage);
      return { path: `${CONNECTIONS}${id}/`, object: id };
    }, 'connection.deleted'),
  ],
  'PUT /api/v1/mcp/connections/:id/credentials': [
    byOwner(async (stage) => {
      const { id } = await newConnection(stage);
      return { path: `${CONNECTIONS}${id}/credentials`, body: { auth_data: authData(stage) }, object: id };
    }, 'connection.credentials_changed'),
  ],
  'POST /api/v1/mcp/connections/:id/test': [
    byOwner(async (stage) => {
      const { id } = await newConnection(stage);
      return { path: `${CONNECTIONS}${id}/test`, object: id };
    }, 'connection.tested'),
  ],
  'POST /api/v1/mcp/connections/:id/discover': [
    async (stage) => {
      const { id } = await newConnection(stage);
      const { organization } = stage.tenant;
      return {
        by: stage.owner,
        path: `${CONNECTIONS}${id}/discover`,
        body: {},
        records: ({ run_id: run }) => [['discovery.finished', run, organization]],
      };
    },
  ],
  'POST /mcp/servers': [
    async ({ owner, open, tenant: { organization } }) => ({
      by: owner,
      path: '/mcp/servers',
      body: { server_id: `s-${randomUUID()}`, server_name: randomUUID(), server_url: open.url },
      records: () => [
        ['connection.created', expect.any(String), organization],
        ['discovery.finished', expect.any(String), organization],
      ],
    }),
  ],
  'DELETE /mcp/servers/:serverId': [
    byOwner(async (stage) => {
      const { id, server_id: slug } = await newConnection(stage);
      return { path: `/mcp/servers/${slug}`, object: id };
    }, 'connection.deleted'),
  ],
  'POST /api/v1/mcp/reviews/:id': [
    byOwner(async (stage) => {
      const { id } = await reviewOf(stage, 'fail');
      return { path: `${V1}/mcp/reviews/${id}/`, body: { action: 'reject' }, object: id };
    }, 'definition.rejected'),
    byOwner(async (stage) => {
      const { id } = await reviewOf(stage, 'fail');
      return { path: `${V1}/mcp/reviews/${id}/`, body: { action: 'approve' }, object: id };
    }, 'definition.approved'),
  ],
  'POST /mcp/tools/:id/review': [
    byOwner(async (stage) => {
      const { id } = await reviewOf(stage, 'count');
      const path = `/mcp/tools/${stage.connection.server_id}_count/review`;
      return { path, body: { action: 'reject' }, object: id };
    }, 'definition.rejected'),
  ],
  'PATCH /mcp/tools/:id': [
    byOwner(async ({ connection }) => {
      const object = `${connection.server_id}_wait`;
      return { path: `/mcp/tools/${object}`, body: { effect: 'destructive' }, object };
    }, 'tool.effect_changed'),
  ],
};

const GRANT_ROWS: Rows = {
  'POST /api/v1/mcp/workspace-access': [
    byOwner(async (stage) => ({ path: ACCESS, body: grantBody(stage) }), 'workspace_access.created'),
  ],
  'PATCH /api/v1/mcp/workspace-access/:id': [
    byOwner(async (stage) => {
      const object = await newGrant(stage);
      return { path: `${ACCESS}${object}/`, body: { permission_level: 'write' }, object };
    }, 'workspace_access.updated'),
  ],
  'DELETE /api/v1/mcp/workspace-access/:id': [
    byOwner(async (stage) => {
      const object = await newGrant(stage);
      return { path: `${ACCESS}${object}/`, object };
    }, 'workspace_access.deleted'),
  ],
  'POST /api/v1/mcp/workspace-access/:id/add-resource': [
    byOwner(async (stage) => {
      const object = await newGrant(stage);
      return { path: `${ACCESS}${object}/add-resource`, body: { resource_id: stage.resources[1]?.id }, object };
    }, 'workspace_access.resource_added'),
  ],
  'POST /api/v1/mcp/workspace-access/:id/remove-resource': [
    byOwner(async (stage) => {
      const object = await newGrant(stage);
      return { path: `${ACCESS}${object}/remove-resource`, body: { resource_id: stage.resources[0]?.id }, object };
    }, 'workspace_access.resource_removed'),
  ],
  'PUT /api/v1/mcp/workspace-access/:id/budget': [
    byOwner(async (stage) => {
      const object = await newGrant(stage);
      const body = { period: 'month', max_requests: 10, action: 'block' };
      return { path: `${ACCESS}${object}/budget`, body, object };
    }, 'budget.set'),
  ],
  'DELETE /api/v1/mcp/workspace-access/:id/budget': [
    byOwner(async (stage) => {
      const object = await newGrant(stage);
      const body = { period: 'month', max_requests: 10, action: 'block' };
      await made(stage.tenant.owner.put(`${ACCESS}${object}/budget`, body));
      return { path: `${ACCESS}${object}/budget`, object };
    }, 'budget.removed'),
  ],
};

/** On a tool that answers with what it is given. */
async function newMapping(stage: Stage, config: object = {}): Promise<number> {
  const { tenant, connection, resources } = stage;
  await made(tenant.owner.patch(`/mcp/tools/${connection.server_id}_echo`, { effect: 'read' }));
  const echo = resources.find(({ resource_uri }) => resource_uri.endsWith('/echo'))?.id;
  const grant = { ...grantBody(stage), allowed_resources: [echo], permission_level: 'write' };
  const workspace_access = (await made(tenant.owner.post(ACCESS, grant))).id as number;
  return (await made(tenant.owner.post(MAPPINGS, mappingBody(workspace_access, echo ?? 0, config)))).id as number;
}

function mappingBody(workspace_access: number, resource: number, config: object = {}): object {
  return {
    workspace_access,
    resource,
    component_type: 'workflow',
    component_id: randomUUID(),
    mapping_config: { field_mappings: { id: '{{context.id}}' }, arguments: { message: '[{"id": 1}]' }, ...config },
  };
}

const MAPPING_ROWS: Rows = {
  'POST /api/v1/mcp/mappings': [
    byOwner(async (stage) => {
      const body = mappingBody(await newGrant(stage), stage.resources[0]?.id ?? 0);
      return { path: MAPPINGS, body };
    }, 'mapping.created'),
  ],
  'PATCH /api/v1/mcp/mappings/:id': [
    byOwner(async (stage) => {
      const object = await newMapping(stage);
      return { path: `${MAPPINGS}${object}/`, body: { is_active: false }, object };
    }, 'mapping.updated'),
  ],
  'DELETE /api/v1/mcp/mappings/:id': [
    byOwner(async (stage) => {
      const object = await newMapping(stage);
      return { path: `${MAPPINGS}${object}/`, object };
    }, 'mapping.deleted'),
  ],
  'POST /api/v1/mcp/mappings/:id/items/:external/push': [
    byOwner(async (stage) => {
      const config = {
        push: {
          tool: 'echo',
          arguments: { message: '{}' },
          read: { tool: 'echo', arguments: { message: '{"id": {{context.id}}}' } },
        },
      };
      const object = await newMapping(stage, config);
      await made(stage.tenant.owner.post(`${MAPPINGS}${object}/sync/`));
      return { path: `${MAPPINGS}${object}/items/1/push`, body: { data: {} }, object };
    }, 'mapping.item_pushed'),
  ],
  'PUT /api/v1/mcp/mappings/:id/webhook': [
    byOwner(async (stage) => {
      const object = await newMapping(stage);
      return { path: `${MAPPINGS}${object}/webhook`, body: { url: stage.open.url }, object };
    }, 'mapping.webhook_set'),
  ],
  'DELETE /api/v1/mcp/mappings/:id/webhook': [
    byOwner(async (stage) => {
      const object = await newMapping(stage);
      await made(stage.tenant.owner.put(`${MAPPINGS}${object}/webhook/`, { url: stage.open.url }));
      return { path: `${MAPPINGS}${object}/webhook`, object };
    }, 'mapping.webhook_removed'),
  ],
  'POST /api/v1/mcp/mappings/:id/deliveries/:delivery/resend': [
    byOwner(async (stage) => {
      const object = await newMapping(stage);
      await made(stage.tenant.owner.put(`${MAPPINGS}${object}/webhook/`, { url: stage.open.url }));
      const delivery = await deliveryOf(stage.app, object);
      return { path: `${MAPPINGS}${object}/deliveries/${delivery}/resend`, object };
    }, 'mapping.delivery_resent'),
  ],
  'POST /api/v1/mcp/mappings/:id/sync': [
    byOwner(async (stage) => {
      const object = await newMapping(stage);
      return { path: `${MAPPINGS}${object}/sync`, object };
    }, 'mapping.sync_requested'),
  ],
};

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'audit', version: '1' } },
};

/** Calls are in the ledger of calls, a session is remembered nowhere, a check changes nothing, and a ticket is gone in a minute. */
const NOTHING_CHANGED: Rows = {
  'POST /api/v1/mcp/ws-tickets': [
    async ({ owner }) => ({ by: owner, path: `${V1}/mcp/ws-tickets/`, records: () => [] }),
  ],
  'POST /mcp/tools/:id/execute': [
    async ({ owner, connection }) => ({
      by: owner,
      path: `/mcp/tools/${connection.server_id}_echo/execute`,
      body: { arguments: { message: 'hello' } },
      records: () => [],
    }),
  ],
  'POST /api/v1/mcp/resources/:id/read': [
    async ({ owner, resources }) => ({
      by: owner,
      path: `${V1}/mcp/resources/${resources.find((row) => row.resource_uri === 'memo://one')?.id}/read`,
      records: () => [],
    }),
  ],
  'POST /mcp/servers/:serverId/resources/:uri/read': [
    async ({ owner, connection }) => ({
      by: owner,
      path: `/mcp/servers/${connection.server_id}/resources/${encodeURIComponent('memo://one')}/read`,
      records: () => [],
    }),
  ],
  'POST /api/v1/mcp/mappings/:id/preview': [
    async (stage) => ({
      by: stage.owner,
      path: `${MAPPINGS}${await newMapping(stage)}/preview`,
      records: () => [],
    }),
  ],
  'POST /mcp/workspaces/:workspace': [
    async ({ owner, tenant }) => ({
      by: owner,
      path: `/mcp/workspaces/${tenant.workspace}`,
      body: initialize,
      records: () => [],
    }),
  ],
  'DELETE /mcp/workspaces/:workspace': [
    async ({ owner, tenant }) => {
      const path = `/mcp/workspaces/${tenant.workspace}`;
      const { headers } = await owner.client.post(path, initialize);
      return { by: owner, path, headers: { 'mcp-session-id': headers.get('mcp-session-id') ?? '' }, records: () => [] };
    },
  ],
  'POST /api/v1/mcp/workspace-access/:id/check': [
    async (stage) => ({
      by: stage.owner,
      path: `${ACCESS}${await newGrant(stage)}/check`,
      body: { tool: `${stage.connection.server_id}_echo`, arguments: { message: 'hello' } },
      records: () => [],
    }),
  ],
};

/** Every route that may change something, what to call it with, and what the trail has to say of it. */
export const ROWS: Rows = {
  ...AUTH_ROWS,
  ...USER_ROWS,
  ...ORGANIZATION_ROWS,
  ...WORKSPACE_ROWS,
  ...REGISTRY_ROWS,
  ...CONNECTION_ROWS,
  ...GRANT_ROWS,
  ...MAPPING_ROWS,
  ...NOTHING_CHANGED,
};

/** They leave no row behind in which their transaction could be seen, or one that is written again at once. */
export const LEAVES_NOTHING = [
  'DELETE /api/v1/organizations/:id/members/:userId',
  'DELETE /api/v1/workspaces/:id/members/:userId',
  'DELETE /api/v1/mcp/registry/:id',
  'POST /api/v1/mcp/workspace-access/:id/remove-resource',
  'DELETE /api/v1/mcp/workspace-access/:id/budget',
  'DELETE /api/v1/mcp/mappings/:id',
  'POST /api/v1/mcp/mappings/:id/sync',
  'POST /api/v1/mcp/mappings/:id/items/:external/push',
  'DELETE /api/v1/mcp/mappings/:id/webhook',
  'POST /api/v1/mcp/mappings/:id/deliveries/:delivery/resend',
];
