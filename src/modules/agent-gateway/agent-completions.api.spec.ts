import { newAgent, connectAll, type Agent } from '../../../test/support/agents.js';
import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectTotalsToEqualRows } from '../../../test/support/ledger.js';
import { REPOSITORY_SCOPE } from '../../../test/support/policies.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import type { Extras } from '../../../test/support/upstreams/catalog.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const OWNERS: Record<string, string[]> = { acme: ['app', 'site'], other: ['secret-lib'], third: ['secret-too'] };
const FILES = 'github://{owner}/{repo}/files/{file}';

/** Completes everything that it has, whoever asks. */
const EXTRAS: Extras = {
  prompts: [
    { name: 'review', arguments: [{ name: 'owner' }, { name: 'repo' }, { name: 'tone' }] },
    { name: 'many', arguments: [{ name: 'number' }] },
  ],
  templates: [
    { uriTemplate: 'github://{owner}/{repo}', name: 'repository' },
    { uriTemplate: FILES, name: 'file' },
  ],
  complete: (params) => {
    const { name, value } = params.argument as { name: string; value: string };
    const chosen = (params.context as { arguments?: Record<string, string> } | undefined)?.arguments ?? {};
    const all: Record<string, string[]> = {
      owner: Object.keys(OWNERS),
      repo: OWNERS[chosen.owner ?? ''] ?? Object.values(OWNERS).flat(),
      tone: ['friendly', 'strict'],
      file: [`${chosen.repo}.md`, 'up/../../other'],
      number: Array.from({ length: 150 }, (_, index) => `n${index}`),
    };
    const values = (all[name] ?? []).filter((each) => each.startsWith(value));
    return name === 'file' ? { values, total: 500, hasMore: true } : { values };
  },
};

function repositoryType(organization: string): object {
  return {
    organization,
    qualified_name: 'acme/repositories',
    display_name: 'Repositories',
    provider_type: 'repositories',
    supports_workspace_scoping: true,
    scoping_config_schema: {
      properties: {
        repositories: { type: 'array', items: { type: 'string' } },
        organizations: { type: 'array', items: { type: 'string' } },
      },
    },
    config_schema: {
      auth: { type: 'object', properties: { base_url: { type: 'string' } }, required: ['base_url'] },
      options: { type: 'object', properties: {} },
    },
    transport: { type: 'streamable_http', url: '{auth.base_url}' },
    declared_resources: Object.entries(OWNERS).flatMap(([owner, repos]) =>
      repos.map((repo) => ({ uri: `github://${owner}/${repo}`, name: `${owner}/${repo}`, type: 'repository' })),
    ),
    scopes: [{ ...REPOSITORY_SCOPE, tools: {}, reads: [{ uri: 'github://{owner}/{repo}/files/{file}', results: [] }] }],
  };
}

describe('completions', () => {
  let app: TestApp;
  let acme: Tenant;
  let free: Tenant;
  let old: OldEraUpstream;
  let modern: ModernEraUpstream;
  let plain: OldEraUpstream;
  let limited: Agent;
  let unlimited: Agent;
  const grants = new Map<string, number>();

  beforeAll(async () => {
    [app, old, modern, plain] = await Promise.all([
      startApp(),
      startOldEra(EXTRAS),
      startModernEra(EXTRAS),
      startOldEra(),
    ]);
    [acme, free] = await Promise.all([newTenant(app), newTenant(app)]);
    const type = await acme.owner.post('/api/v1/mcp/registry/', repositoryType(acme.organization));
    expect([type.status, type.body.details]).toEqual([201, undefined]);
    for (const [name, { url }] of Object.entries({ old, modern })) {
      const { body } = await acme.owner.post('/api/v1/mcp/connections/', {
        server: type.body.id,
        organization: acme.organization,
        connection_name: name,
        auth_data: { base_url: url },
      });
      await acme.owner.post(`/api/v1/mcp/connections/${body.id}/discover/`);
      const listed = (await acme.owner.get(`/api/v1/mcp/resources/?connection=${body.id}&limit=500`)).body as {
        id: number;
        resource_uri: string;
      }[];
      const granted = await acme.owner.post('/api/v1/mcp/workspace-access/', {
        workspace: acme.workspace,
        connection: body.id,
        access_name: name,
        allowed_resources: listed
          .filter(({ resource_uri: uri }) => !uri.includes('secret') && !uri.startsWith('memo://'))
          .map(({ id }) => id),
      });
      expect(granted.status).toBe(201);
      grants.set(name, granted.body.id);
    }
    await connectAll(free, 'old', old.url);
    await connectAll(free, 'plain', plain.url);
    [limited, unlimited] = await Promise.all([newAgent(app, acme), newAgent(app, free)]);
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([old.close(), modern.close(), plain.close()]);
  });

  const template = (server: string, uri: string): string =>
    server === 'old' ? uri : `mcp://${server}/${encodeURIComponent(uri).replaceAll('%7B', '{').replaceAll('%7D', '}')}`;
  const request = (ref: object, name: string, value = '', chosen?: object) => ({
    ref,
    argument: { name, value },
    ...(chosen ? { context: { arguments: chosen } } : {}),
  });
  const prompt = (name: string) => ({ type: 'ref/prompt', name });
  const resource = (uri: string) => ({ type: 'ref/resource', uri });
  const complete = (ref: object, name: string, value = '', chosen?: object): Promise<Answer> =>
    limited.ask('completion/complete', request(ref, name, value, chosen));
  const completionOf = ({ body }: Answer): object => body.result.completion;

  it('are declared, and answered in both eras, by the names of the server', async () => {
    const { body } = await limited.ask('server/discover');
    expect(body.result.capabilities.completions).toEqual({});
    const params = request(prompt('old_review'), 'tone', 'f', { owner: 'acme', stray: 'never passed on' });
    const answer = await unlimited.ask('completion/complete', params);
    expect(answer.body.result).toMatchObject({
      completion: { values: ['friendly'], hasMore: false },
      resultType: 'complete',
    });
    const session = await unlimited.session();
    const inSession = await session.ask('completion/complete', params);
    expect(inSession.body.result).toEqual({ completion: { values: ['friendly'], hasMore: false } });
    const [sent] = old.journal.filter(({ method }) => method === 'completion/complete');
    expect(sent?.params).toMatchObject({
      ref: { type: 'ref/prompt', name: 'review' },
      context: { arguments: { owner: 'acme' } },
    });
    expect(JSON.stringify(sent?.params)).not.toContain('stray');
  });

  it('have at most a hundred values, and say that there are more', async () => {
    const answer = await unlimited.ask('completion/complete', request(prompt('old_many'), 'number'));
    expect(completionOf(answer)).toMatchObject({ hasMore: true, values: { length: 100 } });
  });

  describe.each(['old', 'modern'])('of a server of the %s era', (server) => {
    it('offer only what is granted, in arguments of prompts', async () => {
      const review = prompt(`${server}_review`);
      expect(completionOf(await complete(review, 'owner'))).toEqual({ values: ['acme'], total: 1, hasMore: false });
      expect(completionOf(await complete(review, 'owner', 'oth'))).toEqual({ values: [], total: 0, hasMore: false });
      expect(completionOf(await complete(review, 'repo', '', { owner: 'ACME' }))).toMatchObject({
        values: ['app', 'site'],
      });
      expect(completionOf(await complete(review, 'repo'))).toMatchObject({ values: ['app', 'site'] });
      expect(completionOf(await complete(review, 'tone'))).toMatchObject({ values: ['friendly', 'strict'] });
    });

    it('offer only what is granted, in variables of templates', async () => {
      const whole = resource(template(server, 'github://{owner}/{repo}'));
      expect(completionOf(await complete(whole, 'owner'))).toEqual({ values: ['acme'], total: 1, hasMore: false });
      expect(completionOf(await complete(whole, 'repo', '', { owner: 'acme' }))).toMatchObject({
        values: ['app', 'site'],
      });
      const files = resource(template(server, FILES));
      expect(completionOf(await complete(files, 'repo'))).toMatchObject({ values: ['app', 'site'] });
      // How many there are besides is not told, and what leads elsewhere is no value.
      const chosen = { owner: 'acme', repo: 'app' };
      expect(completionOf(await complete(files, 'file', '', chosen))).toEqual({ values: ['app.md'], hasMore: true });
    });

    it('are refused within something that is not granted, before anything leaves', async () => {
      const upstream = server === 'old' ? old : modern;
      const before = upstream.journal.length;
      for (const ref of [prompt(`${server}_review`), resource(template(server, FILES))]) {
        const { body } = await complete(ref, 'repo', '', { owner: 'other' });
        expect(body.error.data).toMatchObject({ code: 'access_denied', reason: 'scope_not_granted' });
      }
      expect(upstream.journal).toHaveLength(before);
      const calls = (await acme.owner.get(`/api/v1/mcp/calls/?limit=500`)).body as Record<string, unknown>[];
      const denied = calls.filter((call) => call.operation === 'completion/complete' && call.outcome === 'denied');
      expect(denied[0]).toMatchObject({ reason: 'scope_not_granted', workspace_access: grants.get(server) });
    });
  });

  it('are nothing where the server completes nothing, which is not asked', async () => {
    const answer = await unlimited.ask('completion/complete', request(prompt('plain_summarize'), 'memo'));
    expect(completionOf(answer)).toEqual({ values: [], total: 0, hasMore: false });
    expect(plain.journal.some(({ method }) => method === 'completion/complete')).toBe(false);
  });

  it.each([
    ['a prompt that nobody has', request(prompt('old_nothing'), 'owner')],
    ['a prompt by the name of its server', request(prompt('review'), 'owner')],
    ['a template that is not granted', request(resource('memo://{id}'), 'id')],
    ['an argument that the prompt has not', request(prompt('old_review'), 'password')],
    ['a variable that the template has not', request(resource('github://{owner}/{repo}'), 'file')],
    ['a reference of no kind', request({ type: 'ref/tool', name: 'old_echo' }, 'message')],
    ['no argument', { ref: prompt('old_review') }],
    ['a value of no text', { ref: prompt('old_review'), argument: { name: 'owner', value: 7 } }],
    ['a value without an end', request(prompt('old_review'), 'owner', 'x'.repeat(2_049))],
    ['a context of no texts', request(prompt('old_review'), 'owner', '', { repo: { $ne: 1 } })],
  ])('know %s by its error', async (_, params) => {
    const { body } = await limited.ask('completion/complete', params);
    expect(body.error?.code).toBe(-32_602);
  });

  it('are calls in the ledger', async () => {
    await complete(prompt('old_review'), 'tone');
    const [call] = (await acme.owner.get('/api/v1/mcp/calls/?limit=1')).body;
    expect(call).toMatchObject({ operation: 'completion/complete', outcome: 'ok', door: 'agent' });
    await expectTotalsToEqualRows(app);
  });
});
