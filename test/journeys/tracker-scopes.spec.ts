import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../support/api-client.js';
import { startApp, type TestApp } from '../support/app.js';
import { expectTotalsToEqualRows } from '../support/ledger.js';
import { EFFECTS, PROJECT_SCOPE, TYPE_SCOPE } from '../support/policies.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../support/tenants.js';
import { startTracker, type TrackerUpstream } from '../support/upstreams/tracker.js';

/** The organization's own type for its tracker, with projects and the issues below each. */
function trackerType(organization: string): object {
  const texts = { type: 'array', items: { type: 'string' } };
  return {
    organization,
    qualified_name: 'acme/tracker',
    display_name: 'Tracker',
    provider_type: 'tracker',
    supports_workspace_scoping: true,
    scoping_config_schema: { properties: { project_keys: texts, issue_types: texts } },
    config_schema: {
      auth: { type: 'object', properties: { base_url: { type: 'string' } }, required: ['base_url'] },
      options: { type: 'object', properties: {} },
    },
    transport: { type: 'streamable_http', url: '{auth.base_url}' },
    declared_resources: ['DEV', 'QA', 'OPS'].flatMap((key) => [
      { uri: `jira://${key}`, name: `${key} Project`, type: 'project' },
      { uri: `jira://${key}/issues`, name: `${key} Issues`, type: 'issue', parent: `jira://${key}` },
    ]),
    tool_effects: EFFECTS,
    scopes: [PROJECT_SCOPE, TYPE_SCOPE],
  };
}

describe('a tracker of three projects', () => {
  let app: TestApp;
  let upstream: TrackerUpstream;
  let acme: Tenant;
  let member: TestUser;
  let connection: string;
  const ids = new Map<string, number>();

  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startTracker()]);
    acme = await newTenant(app);
    member = await newMember(app, acme, 'member');
    await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
      username: member.username,
      role: 'member',
    });
    const type = await acme.owner.post('/api/v1/mcp/registry/', trackerType(acme.organization));
    expect([type.status, type.body.details]).toEqual([201, undefined]);
    connection = (
      await acme.owner.post('/api/v1/mcp/connections/', {
        server: type.body.id,
        organization: acme.organization,
        connection_name: 'Tracker',
        auth_data: { base_url: upstream.url },
      })
    ).body.id as string;
    await acme.owner.post(`/api/v1/mcp/connections/${connection}/discover/`);
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}`);
    for (const { id, resource_uri } of body) ids.set(resource_uri, id);
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const id = (uri: string): number => ids.get(uri) ?? 0;
  const call = (tool: string, args: object): Promise<Answer> =>
    member.client.post(`/mcp/tools/tracker_${tool}/execute`, { arguments: args });
  const read = (uri: string): Promise<Answer> =>
    member.client.post(`/mcp/servers/tracker/resources/${encodeURIComponent(uri)}/read`);
  let names = 0;
  async function grant(body: object): Promise<string> {
    const created = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: `Grant ${++names}`,
      permission_level: 'write',
      ...body,
    });
    expect(created.status).toBe(201);
    return `/api/v1/mcp/workspace-access/${created.body.id}/`;
  }
  const reached = (): string[] => upstream.calls.splice(0).map(({ name }) => name);

  it('is of a type that shows its scopes, and takes none that can not work', async () => {
    const { body } = await acme.owner.get(`/api/v1/mcp/connections/${connection}/`);
    const path = `/api/v1/mcp/registry/${body.server.id}/`;
    expect((await acme.owner.get(path)).body).toMatchObject({
      scopes: [PROJECT_SCOPE, TYPE_SCOPE],
      tool_effects: EFFECTS,
    });
    const refused = await acme.owner.patch(path, {
      scopes: [
        { ...PROJECT_SCOPE, filters: { teams: '{project_key}' }, tools: { move: { arguments: [{ from: '{key}' }] } } },
      ],
    });
    expect([refused.status, refused.body.error]).toEqual([400, 'validation_failed']);
    expect(refused.body.details.fields).toEqual({
      'scopes[0].filters.teams': ['teams is not a property of scoping_config_schema'],
      'scopes[0].tools.move.arguments[0]': ['does not give the part project_key'],
      'scopes[0].tools.move.arguments[0].from': ['must be a JSON pointer such as /project_key (RFC 6901)'],
    });
  });

  it('has its projects with their issues below them', () => {
    expect([...ids.keys()].filter((uri) => uri.startsWith('jira:'))).toEqual([
      'jira://DEV',
      'jira://DEV/issues',
      'jira://QA',
      'jira://QA/issues',
      'jira://OPS',
      'jira://OPS/issues',
    ]);
  });

  it('confines a workspace to one project: arguments, what is injected, results and resources', async () => {
    const path = await grant({ allowed_resources: [id('jira://DEV')], permission_level: 'admin' });
    expect((await call('get_issue', { issue_key: 'DEV-2' })).body.structured_content).toMatchObject({ key: 'DEV-2' });
    const denied = await call('get_issue', { issue_key: 'OPS-1' });
    expect([denied.status, denied.body.details.reason]).toEqual([403, 'scope_not_granted']);
    expect(reached()).toEqual(['get_issue']);

    const found = await call('search', { text: 'x' });
    expect(upstream.calls.pop()?.args).toEqual({ text: 'x', projects: ['DEV'] });
    expect(found.body.structured_content.issues.map(({ key }: { key: string }) => key)).toEqual(['DEV-1', 'DEV-2']);
    expect(JSON.parse(found.body.result)).toEqual(found.body.structured_content);
    expect(found.text).not.toContain('SECRET');
    expect((await call('list_recent', {})).text).not.toContain('SECRET');

    // By its number: nothing in the arguments says whose it is, so the answer decides.
    const byNumber = await call('get_issue', { issue_key: '3' });
    expect([byNumber.status, byNumber.body.details, byNumber.text.includes('SECRET')]).toEqual([
      403,
      { reason: 'result_withheld' },
      false,
    ]);
    const unknown = await call('get_issue', { issue_key: '99' });
    expect([unknown.body.is_error, unknown.text.includes('SECRET')]).toEqual([true, false]);

    // Neither does an error of the server's own say anything, where the answer was to decide.
    for (const key of ['77', '78']) {
      const failed = await call('get_issue', { issue_key: key });
      expect([failed.status, failed.body.details, failed.text.includes('SECRET')]).toEqual([
        502,
        { reason: 'result_withheld' },
        false,
      ]);
      expect((await call('comment', { issue_key: key, body: 'x' })).body.details.reason).toBe('lookup_failed');
    }
    // Nothing is asked for a call that its schema refuses.
    upstream.calls.splice(0);
    expect((await call('comment', { body: 'x' })).status).toBe(400);
    expect(reached()).toEqual([]);

    expect((await call('comment', { issue_key: '2', body: 'x' })).status).toBe(200);
    expect(reached()).toEqual(['get_issue', 'comment']);
    // The same answer for what is another project's and for what is not there.
    expect((await call('comment', { issue_key: '3', body: 'x' })).body.details.reason).toBe('lookup_failed');
    expect((await call('comment', { issue_key: '99', body: 'x' })).body.details.reason).toBe('lookup_failed');
    expect((await call('move', { from: 'DEV', to: 'OPS' })).body.details.reason).toBe('scope_not_granted');
    expect((await call('delete_project', {})).body.details.reason).toBe('scope_undecided');
    expect(reached()).toEqual(['get_issue', 'get_issue']);

    expect((await read('jira://OPS/issues')).status).toBe(404);
    const issues = await read('jira://DEV/issues');
    expect(JSON.parse(issues.body.content).map(({ key }: { key: string }) => key)).toEqual(['DEV-1', 'DEV-2']);
    const listed = await member.client.get(`/api/v1/mcp/resources/?connection=${connection}&resource_type=project`);
    expect(listed.body).toMatchObject([{ resource_name: 'DEV Project' }]);
    await acme.owner.delete(path);
  });

  it('looks up what a filter needs to know before a write', async () => {
    const path = await grant({ allowed_resources: [id('jira://DEV')], resource_filters: { issue_types: ['bug'] } });
    expect((await call('comment', { issue_key: 'DEV-1', body: 'x' })).status).toBe(200);
    expect(reached()).toEqual(['get_issue', 'comment']);
    const task = await call('comment', { issue_key: 'DEV-2', body: 'x' });
    expect([task.status, task.body.details]).toMatchObject([403, { reason: 'filtered_out' }]);
    expect(reached()).toEqual(['get_issue']);
    // A tool that somebody raised above read is not asked on the way to anything.
    await acme.owner.patch('/mcp/tools/tracker_get_issue', { effect: 'write' });
    expect((await call('comment', { issue_key: 'DEV-1', body: 'x' })).body.details.reason).toBe('lookup_failed');
    await acme.owner.patch('/mcp/tools/tracker_get_issue', { effect: null });
    const check = await member.client.post(`${path}check/`, {
      tool: 'tracker_comment',
      arguments: { issue_key: 'DEV-2' },
    });
    expect(check.body).toMatchObject({ allowed: false, reason: 'lookup_needed' });
    expect(reached()).toEqual([]);
    await acme.owner.delete(path);
  });

  it('two grants together allow nothing that neither allows alone', async () => {
    const paths = [
      await grant({ allowed_resources: [id('jira://DEV')] }),
      await grant({ allowed_resources: [id('jira://QA')], permission_level: 'admin' }),
    ];
    expect((await call('move', { from: 'QA', to: 'QA' })).status).toBe(200);
    const mixed = await call('move', { from: 'DEV', to: 'QA' });
    expect([mixed.status, mixed.body.details.denials]).toMatchObject([
      403,
      [{ reason: 'scope_not_granted' }, { reason: 'scope_not_granted' }],
    ]);
    expect((await call('delete_project', { project: 'DEV' })).body.details.denials).toMatchObject([
      { reason: 'permission_level' },
      { reason: 'scope_not_granted' },
    ]);
    for (const path of paths) await acme.owner.delete(path);
  });

  it('removes what is below an allowed resource by an exclusion, which adding lifts', async () => {
    const path = await grant({ allowed_resources: [id('jira://DEV')], auto_sync: false });
    const states = async (): Promise<string[]> =>
      (await acme.owner.get(`${path}resources/`)).body.map(
        (row: { resource_uri: string; state: string }) => `${row.resource_uri} ${row.state}`,
      );
    const issues = { resource_id: id('jira://DEV/issues') };
    expect((await acme.owner.post(`${path}remove-resource/`, issues)).status).toBe(200);
    expect(await states()).toEqual(['jira://DEV explicit', 'jira://DEV/issues excluded']);
    expect((await read('jira://DEV/issues')).status).toBe(404);
    expect((await call('get_issue', { issue_key: 'DEV-1' })).status).toBe(200);
    expect((await acme.owner.post(`${path}remove-resource/`, issues)).status).toBe(404);
    await acme.owner.post(`${path}add-resource/`, issues);
    expect((await read('jira://DEV/issues')).status).toBe(200);
    await acme.owner.delete(path);
  });

  it('takes in the projects of a filter by itself, and binds every tool to them', async () => {
    const path = await grant({ resource_filters: { project_keys: ['DEV', 'qa'] } });
    const allowed = async (): Promise<string[]> =>
      (await acme.owner.get(path)).body.allowed_resources.map((row: { resource_name: string }) => row.resource_name);
    for (let tries = 0; (await allowed()).length < 2 && tries < 100; tries++) await sleep(20);
    expect(await allowed()).toEqual(['DEV Project', 'QA Project']);
    const { tools } = (await member.client.get(`${path}effective/`)).body;
    expect(tools.map((tool: { id: string }) => tool.id)).toEqual(
      ['get_issue', 'search', 'list_recent', 'comment', 'move'].map((name) => `tracker_${name}`),
    );
    await call('search', {});
    expect(upstream.calls.pop()?.args).toEqual({ projects: ['DEV', 'QA'] });

    // A change of the type is followed too: now nothing identifies a project, and nothing reads the filter.
    const { body } = await acme.owner.get(`/api/v1/mcp/connections/${connection}/`);
    const type = `/api/v1/mcp/registry/${body.server.id}/`;
    await acme.owner.patch(type, { scopes: [] });
    expect((await call('search', {})).status).toBe(404);
    for (let tries = 0; (await allowed()).length > 0 && tries < 100; tries++) await sleep(20);
    expect([await allowed(), (await member.client.get(`${path}effective/`)).body.inactive]).toEqual([
      [],
      'filter_undecidable',
    ]);
    await acme.owner.patch(type, { scopes: [PROJECT_SCOPE, TYPE_SCOPE] });
    await acme.owner.delete(path);
  });

  it('is metered by project, with what was looked up, and by tool', async () => {
    const path = await grant({ allowed_resources: [id('jira://DEV')], resource_filters: { issue_types: ['Bug'] } });
    const access = Number(/(\d+)\/$/.exec(path)?.[1]);
    expect((await call('comment', { issue_key: 'DEV-1', body: 'Hello' })).status).toBe(200);
    expect((await call('comment', { issue_key: 'OPS-1', body: 'Hello' })).status).toBe(403);
    const { body: calls } = await acme.owner.get(`/api/v1/mcp/calls/?workspace_access=${access}`);
    const brief = calls.map((row: Record<string, { id: number; name?: string }>) => [
      row.tool?.name,
      row.outcome,
      row.reason,
    ]);
    expect(brief).toEqual([
      ['comment', 'denied', 'scope_not_granted'],
      ['comment', 'ok', 'granted'],
      ['get_issue', 'ok', 'lookup'],
    ]);
    expect(calls[1].resource).toEqual({ id: id('jira://DEV'), resource_name: 'DEV Project', resource_type: 'project' });
    const { body: usage } = await acme.owner.get(
      `/api/v1/mcp/usage/?workspace_access=${access}&resource=${id('jira://DEV')}`,
    );
    expect(usage).toMatchObject([{ request_count: 1, denied_count: 0 }]);
    const { body: summary } = await acme.owner.get(`/api/v1/mcp/usage/summary/?connection=${connection}`);
    const requests = new Map(
      summary.by_tool.map((row: { tool: { name: string }; requests: number }) => [row.tool.name, row.requests]),
    );
    const rows = await app.query<{ name: string; requests: number }>(
      `SELECT r.resource_name AS name, count(*)::int AS requests FROM calls c JOIN resources r ON r.id = c.tool_id
        WHERE c.outcome NOT IN ('denied', 'unknown') GROUP BY 1`,
    );
    for (const row of rows) expect([row.name, requests.get(row.name)]).toEqual([row.name, row.requests]);
    await expectTotalsToEqualRows(app);
    // What is looked up beforehand does not use up the key.
    reached();
    const again = (): Promise<Answer> =>
      member.client.post(
        '/mcp/tools/tracker_comment/execute',
        { arguments: { issue_key: 'DEV-1', body: 'Once' } },
        { 'Idempotency-Key': 'comment-once' },
      );
    const [first, second] = [await again(), await again()];
    expect([first.status, second.status, second.body]).toEqual([200, 200, first.body]);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect(reached()).toEqual(['get_issue', 'comment']);
    await acme.owner.delete(path);
  });
});
