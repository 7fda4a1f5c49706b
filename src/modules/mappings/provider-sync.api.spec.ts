import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startJira, type FakeJira } from '../../../test/support/upstreams/jira/jira-server.js';

// The example of the specification: issues of a Jira project, in the shape of a workflow.
describe('a mapping of Jira issues', () => {
  let app: TestApp;
  let jira: FakeJira;
  let acme: Tenant;
  let path: string;
  let resource: { id: number; resource_name: string; resource_type: string };

  beforeAll(async () => {
    [app, jira] = await Promise.all([startApp(), startJira({ mode: 'server', issues: 250 })]);
    acme = await newTenant(app);
    const connection = await acme.owner.post('/api/v1/mcp/connections/', {
      server: 1,
      organization: acme.organization,
      connection_name: 'Jira',
      auth_data: { api_token: jira.token, base_url: jira.url },
    });
    await acme.owner.post(`/api/v1/mcp/connections/${connection.body.id}/discover/`);
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection.body.id}&limit=500`);
    const byUri = new Map(body.map((row: { resource_uri: string }) => [row.resource_uri, row]));
    resource = byUri.get('jira://DEV/issues') as typeof resource;
    const grant = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection: connection.body.id,
      access_name: 'DEV',
      allowed_resources: [(byUri.get('jira://DEV') as { id: number }).id],
      permission_level: 'write',
    });
    const mapping = await acme.owner.post('/api/v1/mcp/mappings/', {
      workspace_access: grant.body.id,
      resource: resource.id,
      component_type: 'workflow',
      component_id: '123e4567-e89b-12d3-a456-426614174444',
      mapping_config: {
        field_mappings: { issue_key: '{{context.issue_id}}', summary: '{{context.title}}' },
        push: {
          tool: 'update_issue',
          arguments: { issue_key: '{{context.issue_key}}', summary: '{{context.summary}}' },
          read: { tool: 'get_issue', arguments: { issue_key: '{{context.issue_key}}' }, item: '/issue' },
        },
      },
    });
    path = `/api/v1/mcp/mappings/${mapping.body.id}/`;
  });
  afterAll(async () => {
    await app.close();
    await jira.close();
  });

  const sync = (body: object = {}): Promise<Answer> => acme.owner.post(`${path}sync/`, body);
  const item = async (externalId: string): Promise<{ data: unknown } | undefined> =>
    (await acme.owner.get(`${path}items/?external_id=${externalId}`)).body[0];
  const idOf = (key: string): string =>
    jira.world.issues.find((issue) => `${issue.project.key}-${issue.number}` === key)?.id ?? '';

  it('brings every issue of the project, page by page, and of others nothing', async () => {
    const { body } = await sync();
    expect(body).toMatchObject({ success: true, items_failed: 0, items_written: 253 });
    expect((await item(idOf('DEV-1')))?.data).toEqual({ issue_key: 'DEV-1', summary: expect.any(String) });
    const { headers, text } = await acme.owner.get(`${path}items/?limit=500`);
    expect([headers.get('x-total-count'), text.includes('OPS-')]).toEqual(['253', false]);
  });

  it('reads only what changed since, and everything when asked', async () => {
    jira.journal.splice(0);
    const issue = jira.world.issues.find(({ id }) => id === idOf('DEV-2'));
    if (issue) Object.assign(issue, { summary: 'Changed since', updated: Date.now() });
    const { body } = await sync();
    expect(body).toMatchObject({ items_written: 1, items_failed: 0 });
    expect(body.items_synced).toBeLessThan(253);
    const [run] = (await acme.owner.get(`${path}syncs/`)).body;
    expect(run.mode).toBe('incremental');
    expect((await item(idOf('DEV-2')))?.data).toEqual({ issue_key: 'DEV-2', summary: 'Changed since' });
    expect((await sync({ complete: true })).body).toMatchObject({ items_synced: 253, items_written: 0 });
  });

  it('takes a change back to Jira, unless the issue changed there', async () => {
    const push = (summary: string): Promise<Answer> =>
      acme.owner.post(`${path}items/${idOf('DEV-1')}/push/`, { data: { summary } });
    expect((await push('From the workflow')).body).toMatchObject({ success: true });
    const issue = jira.world.issues.find(({ id }) => id === idOf('DEV-1'));
    expect([issue?.summary, (await item(idOf('DEV-1')))?.data]).toEqual([
      'From the workflow',
      { issue_key: 'DEV-1', summary: 'From the workflow' },
    ]);
    if (issue) issue.summary = 'Changed in Jira';
    expect((await push('Too late')).body.error).toBe('upstream_changed');
    expect(issue?.summary).toBe('Changed in Jira');
  });

  it('counts what it uses on the resource, door mapping', async () => {
    const { body } = await acme.owner.get(`/api/v1/mcp/usage/?resource=${resource.id}`);
    expect(body[0]).toMatchObject({ resource: { resource_type: 'issue' } });
    expect(body[0].request_count).toBeGreaterThan(5);
  });
});
