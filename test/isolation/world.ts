import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ApiClient } from '../support/api-client.js';
import type { TestApp } from '../support/app.js';
import { newMember, newTenant, newUser, type TestUser } from '../support/tenants.js';
import { serve, type Upstream } from '../support/upstreams/http-server.js';
import { startOldEra, type OldEraUpstream } from '../support/upstreams/old-era.js';
import { snapshotOf } from './snapshot.js';

/** The columns of "Who may do what"; owners and admins share one there, `worker` is its "workspace member", `agent` a workspace token. */
export const ROLES = ['operator', 'owner', 'admin', 'member', 'manager', 'worker', 'agent'] as const;
export type Role = (typeof ROLES)[number];

const CONNECTIONS = '/api/v1/mcp/connections/';
/** One that nothing here uses up, and that every call is held against. */
export const BUDGET = { period: 'month', max_requests: 1_000_000, max_cost: 1_000_000, action: 'block' };

/** One of the two organizations. Everything that may have the name of its twin in the other has it. */
export interface Side {
  /** A word that is in the texts of this organization only. */
  mark: string;
  /** What its server asks for; nobody may ever read it again. */
  credential: string;
  upstream: OldEraUpstream;
  /** Of the second connection. */
  loneUpstream: OldEraUpstream;
  /** Takes what its webhooks are sent. */
  receiver: Upstream;
  organization: string;
  actors: Record<Role, ApiClient>;
  users: { owner: TestUser; admin: TestUser; member: TestUser; manager: TestUser; worker: TestUser };
  /** A person who is in the workspace and in no cell acts. */
  colleague: TestUser;
  workspace: string;
  /** A workspace of the organization in which nobody of the roles works. */
  annex: string;
  serverType: number;
  connection: string;
  /** `memos` on both sides. */
  slug: string;
  /** A second connection, with a slug that only this side has. */
  loneConnection: string;
  loneSlug: string;
  resource: number;
  parent: number;
  loneResource: number;
  tool: string;
  loneTool: string;
  /** A URI that only this side has. */
  loneUri: string;
  grant: number;
  annexGrant: number;
  /** A tool that answers with a list. */
  listing: number;
  /** Of the grant and the listing, synced once. */
  mapping: number;
  sync: string;
  delivery: string;
  /** Of the grant of the annex. */
  annexMapping: number;
  token: string;
  run: string;
  /** Of the connection. */
  check: string;
  /** Of a changed tool of the second connection: pending. */
  review: number;
  /** Of the agent, in the workspace. */
  call: string;
  /** The request that made it. */
  request: string;
  workersCall: string;
  /** Of the owner, in no workspace. */
  directCall: string;
  /** In the annex. */
  annexCall: string;
  /** A signed head of the organization's chain of calls. */
  head: string;
}

export interface World {
  app: TestApp;
  sides: [Side, Side];
  /** Admin of both organizations. */
  both: TestUser;
  /** A server that asks for no credentials, for whoever adds one by its address. */
  open: OldEraUpstream;
  /** In no organization. */
  nobody: string;
  close(): Promise<void>;
}

export async function createWorld(app: TestApp): Promise<World> {
  const open = await startOldEra();
  const both = await newUser(app);
  const nobody = (await newUser(app)).id;
  const sides: [Side, Side] = [await createSide(app, 'amberfield', both), await createSide(app, 'basilstone', both)];
  return {
    app,
    sides,
    both,
    open,
    nobody,
    close: async () => {
      await Promise.all([open, ...sides.flatMap(upstreamsOf)].map((upstream) => upstream.close()));
    },
  };
}

/** What `answer` holds, or the reason why there is no world to test in. */
export async function made(answer: Promise<Answer>): Promise<Answer['body']> {
  const { status, body, text } = await answer;
  if (status < 200 || status > 299) throw new Error(`the world could not be made: ${status} ${text}`);
  return body;
}

async function createSide(app: TestApp, mark: string, both: TestUser): Promise<Side> {
  const credential = `credential-of-${mark}`;
  const [upstream, loneUpstream] = [
    await startOldEra({ token: credential, tools: toolsOf(mark), call: answerOf(mark) }),
    await startOldEra({ token: credential, tools: toolsOf(mark), call: answerOf(mark) }),
  ];
  const receiver = await serve('/hook', (_, response) => void response.writeHead(204).end());
  const tenant = await newTenant(app);
  const { organization, owner } = tenant;
  const [admin, member, manager, worker, colleague] = [
    await newMember(app, tenant, 'admin'),
    await newMember(app, tenant, 'member'),
    await newMember(app, tenant, 'member'),
    await newMember(app, tenant, 'member'),
    await newMember(app, tenant, 'member'),
  ];
  await made(owner.post(`/api/v1/organizations/${organization}/members/`, { username: both.username, role: 'admin' }));
  const workspace = tenant.workspace;
  await made(owner.patch(`/api/v1/workspaces/${workspace}/`, { description: `Workspace of ${mark}` }));
  const annex = (await made(owner.post('/api/v1/workspaces/', { organization, name: 'Annex', description: mark })))
    .id as string;
  const roles = [
    [manager, 'manager'],
    [worker, 'member'],
    [colleague, 'member'],
  ] as const;
  for (const [{ username }, role] of roles)
    await made(owner.post(`/api/v1/workspaces/${workspace}/members/`, { username, role }));
  const tokens = `/api/v1/workspaces/${workspace}/tokens/`;
  const agent = await made(owner.post(tokens, { name: 'Release agent' }));
  const token = await made(manager.client.post(tokens, { name: 'Spare agent' }));
  const discovered = await connectAndGrant({
    owner,
    organization,
    workspace,
    annex,
    mark,
    credential,
    upstream,
    loneUpstream,
  });
  const ownerOf: TestUser = { id: tenant.ownerId, username: '', client: owner };
  const asAgent = app.anonymous.withToken(agent.token as string);
  const history = await useAll({ ...discovered, organization, owner, worker: worker.client, agent: asAgent, annex });
  return {
    mark,
    credential,
    upstream,
    loneUpstream,
    receiver,
    organization,
    users: { owner: ownerOf, admin, member, manager, worker },
    colleague,
    workspace,
    annex,
    token: token.id as string,
    ...discovered,
    ...(await mapAll(app, { ...discovered, owner, receiver })),
    ...history,
    actors: {
      operator: app.admin,
      owner,
      admin: admin.client,
      member: member.client,
      manager: manager.client,
      worker: worker.client,
      agent: asAgent,
    },
  };
}

type Ground = Pick<
  Side,
  'organization' | 'workspace' | 'annex' | 'mark' | 'credential' | 'upstream' | 'loneUpstream'
> & { owner: ApiClient };

type Discovered = Pick<
  Side,
  | 'serverType'
  | 'connection'
  | 'slug'
  | 'loneConnection'
  | 'loneSlug'
  | 'resource'
  | 'parent'
  | 'loneResource'
  | 'tool'
  | 'loneTool'
  | 'loneUri'
  | 'grant'
  | 'annexGrant'
  | 'listing'
  | 'run'
  | 'check'
  | 'review'
>;

async function connectAndGrant(ground: Ground): Promise<Discovered> {
  const { owner, organization, workspace, annex, mark, upstream, loneUpstream } = ground;
  const type = await made(owner.post('/api/v1/mcp/registry/', serverType(mark, { organization })));
  const connect = async (name: string, to: OldEraUpstream): Promise<{ id: string; server_id: string }> => {
    const body = await made(
      owner.post(CONNECTIONS, connectionBody({ ...ground, upstream: to }, Number(type.id), name)),
    );
    await made(owner.post(`${CONNECTIONS}${body.id}/discover/`, {}));
    return body as { id: string; server_id: string };
  };
  const [shared, lone] = [await connect('Memos', upstream), await connect(`Only ${mark}`, loneUpstream)];
  // Nobody hears of the change, so that nothing is looked at again later.
  loneUpstream.forgetSessions();
  await loneUpstream.setTools(toolsOf(mark, 'changed'));
  await made(owner.post(`${CONNECTIONS}${lone.id}/discover/`, {}));
  const [pending] = await made(owner.get(`/api/v1/mcp/reviews/?connection=${lone.id}&status=pending`));
  const rows: { id: number; resource_uri: string; resource_type: string }[] = await made(
    owner.get(`/api/v1/mcp/resources/?connection=${shared.id}&limit=500`),
  );
  const idOf = (uri: string): number => rows.find((row) => row.resource_uri === uri)?.id ?? 0;
  const [loneResource] = await made(
    owner.get(`/api/v1/mcp/resources/?connection=${lone.id}&resource_type=folder&limit=500`),
  );
  const tools = rows.filter((row) => row.resource_type === 'tool').map((row) => row.id);
  const grant = async (place: string, connection: string): Promise<number> => {
    const allowed =
      connection === shared.id ? [idOf('wiki://root'), idOf('memo://one'), idOf('memo://two'), ...tools] : [];
    const body = { workspace: place, connection, access_name: 'Memos for everybody', description: `Grant of ${mark}` };
    const more = { allowed_resources: allowed, permission_level: 'admin' };
    return (await made(owner.post('/api/v1/mcp/workspace-access/', { ...body, ...more }))).id as number;
  };
  const [run] = await made(owner.get(`${CONNECTIONS}${shared.id}/discoveries/`));
  await made(owner.post(`${CONNECTIONS}${shared.id}/test/`));
  const [check] = await made(owner.get(`${CONNECTIONS}${shared.id}/health/`));
  return {
    serverType: Number(type.id),
    connection: shared.id,
    slug: shared.server_id,
    loneConnection: lone.id,
    loneSlug: lone.server_id,
    resource: idOf('memo://one'),
    parent: idOf('wiki://root'),
    loneResource: loneResource.id,
    tool: `${shared.server_id}_echo`,
    loneTool: `${lone.server_id}_echo`,
    loneUri: `wiki://${mark}`,
    grant: await grant(workspace, shared.id),
    annexGrant: await grant(annex, lone.id),
    listing: idOf(`tool://${shared.server_id}/other`),
    run: run.id,
    check: check.id,
    review: pending.id,
  };
}

export function serverType(mark: string, more: object = {}): object {
  return {
    qualified_name: 'acme/wiki',
    display_name: 'Acme Wiki',
    description: `Wiki of ${mark}`,
    provider_type: 'wiki',
    config_schema: {
      auth: {
        type: 'object',
        properties: { base_url: { type: 'string' }, api_token: { type: 'string', format: 'password' } },
      },
      options: { type: 'object', properties: {} },
    },
    transport: {
      type: 'streamable_http',
      url: '{auth.base_url}',
      headers: { Authorization: 'Bearer {auth.api_token}' },
    },
    declared_resources: [
      { uri: 'wiki://root', name: 'Root', type: 'folder' },
      { uri: `wiki://${mark}`, name: `Page of ${mark}`, type: 'page', parent: 'wiki://root' },
    ],
    ...more,
  };
}

export function connectionBody(
  side: Pick<Side, 'mark' | 'credential' | 'organization' | 'upstream'>,
  server: number,
  name: string,
): object {
  return {
    server,
    organization: side.organization,
    connection_name: name,
    description: `Connection of ${side.mark}`,
    auth_data: { base_url: side.upstream.url, api_token: side.credential },
  };
}

type Users = Pick<
  Side,
  'organization' | 'annex' | 'grant' | 'annexGrant' | 'connection' | 'tool' | 'loneTool' | 'resource' | 'loneResource'
> & { owner: ApiClient; worker: ApiClient; agent: ApiClient };
type History = Pick<Side, 'call' | 'request' | 'workersCall' | 'directCall' | 'annexCall' | 'head'>;

/** Gives the organization a history: budgets, calls that cost something, and what all of it left in the trail. */
async function useAll(users: Users): Promise<History> {
  const { owner, worker, agent, connection, tool, loneTool, resource, loneResource } = users;
  await made(owner.patch(`${CONNECTIONS}${connection}/`, { price_book: { per_call: '0.25' } }));
  for (const grant of [users.grant, users.annexGrant])
    await made(owner.put(`/api/v1/mcp/workspace-access/${grant}/budget/`, BUDGET));
  const call = async (answer: Promise<Answer>, status: number): Promise<{ id: string; request_id: string }> => {
    const { status: got, headers, text } = await answer;
    if (got !== status) throw new Error(`the world could not be made: ${got} ${text}`);
    const [row] = await made(owner.get(`/api/v1/mcp/calls/?request_id=${headers.get('x-request-id')}`));
    return row as { id: string; request_id: string };
  };
  const execute = { arguments: { message: 'hello' } };
  const inAnnex = { 'X-Workspace-Id': users.annex };
  const read = (id: number): string => `/api/v1/mcp/resources/${id}/read/`;
  const agents = await call(agent.post(`/mcp/tools/${tool}/execute`, execute), 200);
  await call(agent.post(read(resource)), 200);
  const workers = await call(worker.post(`/mcp/tools/${tool}/execute`, execute), 200);
  const direct = await call(owner.post(`/mcp/tools/${tool}/execute`, execute), 200);
  // Nothing of it was granted.
  const inTheAnnex = await call(owner.post(`/mcp/tools/${loneTool}/execute`, execute, inAnnex), 403);
  await call(owner.post(read(loneResource), undefined, inAnnex), 403);
  const { chains } = await made(owner.get(`/api/v1/mcp/audit/verify/?organization=${users.organization}`));
  return {
    call: agents.id,
    request: agents.request_id,
    workersCall: workers.id,
    directCall: direct.id,
    annexCall: inTheAnnex.id,
    head: chains.find(({ trail }: { trail: string }) => trail === 'calls').head,
  };
}

/** Maps records of the organization to a component, and brings them. */
async function mapAll(
  app: TestApp,
  users: Pick<Side, 'receiver' | 'slug' | 'grant' | 'annexGrant' | 'listing' | 'loneResource'> & { owner: ApiClient },
): Promise<Pick<Side, 'mapping' | 'sync' | 'delivery' | 'annexMapping'>> {
  const { owner, receiver, slug, grant, annexGrant, listing, loneResource } = users;
  await made(owner.patch(`/mcp/tools/${slug}_other`, { effect: 'read' }));
  const map = async (access: number, resource: number): Promise<number> =>
    (await made(owner.post('/api/v1/mcp/mappings/', mappingBody(access, resource, 'component')))).id as number;
  const [mapping, annexMapping] = [await map(grant, listing), await map(annexGrant, loneResource)];
  const { sync_id: sync } = await made(owner.post(`/api/v1/mcp/mappings/${mapping}/sync/`));
  await made(owner.put(`/api/v1/mcp/mappings/${mapping}/webhook/`, { url: receiver.url }));
  return { mapping, annexMapping, sync: sync as string, delivery: await deliveryOf(app, mapping) };
}

/** As one that was given up leaves it. */
export async function deliveryOf(app: TestApp, mapping: number): Promise<string> {
  const id = randomUUID();
  await app.query("INSERT INTO mapping_deliveries (id, mapping_id, payload, status) VALUES ($1, $2, $3, 'dead')", [
    id,
    mapping,
    JSON.stringify({ data: { upserted: [], deleted: [] } }),
  ]);
  return id;
}

export function mappingBody(workspace_access: number, resource: number, component: string): object {
  return {
    workspace_access,
    resource,
    component_type: 'workflow',
    component_id: component,
    mapping_config: {
      field_mappings: { title: '{{context.title}}' },
      push: { tool: 'other', arguments: {}, read: { tool: 'other', arguments: {}, item: '/0' } },
    },
  };
}

/** What its server answers tells whose it is. */
function answerOf(mark: string): (name: string) => Record<string, unknown> {
  return (name) => {
    const text = `${name} answered by the server of ${mark}`;
    return { content: [{ type: 'text', text: name === 'other' ? JSON.stringify([{ id: 1, title: text }]) : text }] };
  };
}

function toolsOf(mark: string, more = ''): { name: string; [key: string]: unknown }[] {
  const tool = (name: string): { name: string; [key: string]: unknown } => ({
    name,
    description: `${name} of ${mark} ${more}`,
    inputSchema: {
      type: 'object',
      properties: { message: { type: 'string' } },
      required: more === '' ? [] : ['message'],
    },
  });
  return [tool('echo'), tool('other')];
}

export function upstreamsOf(side: Side): Upstream[] {
  return [side.upstream, side.loneUpstream, side.receiver];
}

/** Waits until nothing goes on in the background any more, such as auto-sync. */
export async function settled(app: TestApp, side: Side): Promise<string[]> {
  let before: string[] = [];
  for (let tries = 0; tries < 50; tries++) {
    const [jobs] = await app.query<{ count: number }>('SELECT count(*)::int AS count FROM graphile_worker.jobs');
    const rows = await snapshotOf(app, side.organization);
    if (jobs?.count === 0 && rows.join() === before.join()) return rows;
    before = rows;
    await sleep(150);
  }
  throw new Error('the world does not come to rest');
}
