import { newMember, newTenant, newUser, type Tenant } from '../../../test/support/tenants.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itIsProtected, itRefusesBadBodies } from '../../../test/support/contract.js';
import { startHostile } from '../../../test/support/upstreams/hostile.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';

describe('/mcp/servers', () => {
  let app: TestApp;
  let upstream: ModernEraUpstream;
  let acme: Tenant;
  let other: Tenant;
  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startModernEra()]);
    [acme, other] = [await newTenant(app), await newTenant(app)];
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const example = (): { server_id: string; server_url: string; server_name: string } => ({
    server_id: 'example',
    server_url: upstream.url,
    server_name: 'Example Server',
  });

  itIsProtected(
    () => app.anonymous,
    () => [
      { method: 'POST', path: '/mcp/servers', body: example() },
      { method: 'GET', path: '/mcp/servers' },
      { method: 'DELETE', path: '/mcp/servers/example' },
      { method: 'GET', path: '/mcp/servers/example/resources' },
      { method: 'POST', path: '/mcp/servers/example/resources/memo%3A%2F%2Fone/read' },
      { method: 'GET', path: '/mcp/tools' },
      { method: 'POST', path: '/mcp/tools/example_echo/execute', body: {} },
    ],
  );
  itRefusesBadBodies(
    () => acme.owner,
    () => ({ method: 'POST', path: '/mcp/servers', body: example() }),
  );

  it('gives equal names in two organizations to each its own', async () => {
    for (const tenant of [acme, other]) expect((await tenant.owner.post('/mcp/servers', example())).status).toBe(200);
    await other.owner.delete('/mcp/servers/example');
    expect((await acme.owner.get('/mcp/servers')).body).toHaveLength(1);
    expectError(await other.owner.get('/mcp/tools/example_echo'), 404, 'resource_not_found');
    expectError(
      await other.owner.post('/mcp/tools/example_echo/execute', { arguments: {} }),
      404,
      'resource_not_found',
    );
    expectError(await other.owner.get('/mcp/servers/example/resources'), 404, 'resource_not_found');
    expectError(await other.owner.delete('/mcp/servers/example'), 404, 'resource_not_found');
  });

  it('refuses an id or a name that is taken', async () => {
    const taken = await acme.owner.post('/mcp/servers', { ...example(), server_name: 'Another' });
    expectError(taken, 409, 'name_taken');
    expect(Object.keys(taken.body.details.fields)).toEqual(['server_id']);
    const named = await acme.owner.post('/mcp/servers', { ...example(), server_id: 'another' });
    expectError(named, 409, 'name_taken');
    expect(Object.keys(named.body.details.fields)).toEqual(['server_name']);
  });

  it('lets one of two simultaneous additions win', async () => {
    const body = { ...example(), server_id: 'race', server_name: 'Race' };
    const answers = await Promise.all([1, 2, 3].map(() => acme.owner.post('/mcp/servers', body)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409, 409]);
    await acme.owner.delete('/mcp/servers/race');
  });

  it('is for admins: members of the organization see servers but add and remove none, and see no tools without a grant', async () => {
    const member = await newMember(app, acme, 'member');
    expect((await member.client.get('/mcp/servers')).body).toHaveLength(1);
    expectError(await member.client.post('/mcp/servers', { ...example(), server_id: 'mine' }), 403, 'forbidden');
    expectError(await member.client.delete('/mcp/servers/example'), 403, 'forbidden');
    expect((await member.client.get('/mcp/tools')).body).toEqual([]);
    expectError(await member.client.post('/mcp/tools/example_echo/execute', {}), 404, 'resource_not_found');
    expect((await member.client.get('/mcp/servers/example/resources')).body).toEqual([]);
  });

  it('asks somebody who administers several organizations which one is meant', async () => {
    const both = await newUser(app);
    for (const tenant of [acme, other]) {
      await tenant.owner.post(`/api/v1/organizations/${tenant.organization}/members/`, {
        username: both.username,
        role: 'admin',
      });
    }
    const body = { ...example(), server_id: 'both', server_name: 'Both' };
    const ambiguous = await both.client.post('/mcp/servers', body);
    expectError(ambiguous, 409, 'organization_ambiguous');
    expect(ambiguous.body.details.organizations.sort()).toEqual([acme.organization, other.organization].sort());
    for (const tenant of [acme, other]) {
      expect((await both.client.post('/mcp/servers', { ...body, organization: tenant.organization })).status).toBe(200);
    }
    expectError(await both.client.get('/mcp/tools/both_echo'), 409, 'organization_ambiguous');
    expect((await both.client.get(`/mcp/tools/both_echo?organization=${acme.organization}`)).status).toBe(200);
    expectError(await both.client.delete('/mcp/servers/both'), 409, 'organization_ambiguous');
    expect((await both.client.delete(`/mcp/servers/both?organization=${other.organization}`)).status).toBe(200);
    expect((await both.client.delete('/mcp/servers/both')).status).toBe(200);
    expectError(
      await both.client.post('/mcp/servers', { ...body, organization: '00000000-0000-4000-8000-000000000000' }),
      404,
      'resource_not_found',
    );
  });

  describe('a server that can not be connected', () => {
    it.each([
      ['refuses the connection', 'http://127.0.0.1:1/mcp', 'connection_failed'],
      ['does not exist', 'http://no-such-host.invalid/mcp', 'address_refused'],
      ['stands at a metadata address', 'http://169.254.169.254/latest/meta-data', 'address_refused'],
      ['stands in a private network', 'http://10.0.0.1/mcp', 'address_refused'],
    ])('that %s is a 400 with the reason and leaves nothing behind', async (_name, url, code) => {
      const answer = await acme.owner.post('/mcp/servers', {
        server_id: 'broken',
        server_url: url,
        server_name: 'Broken',
      });
      expectError(answer, 400, code);
      expect((await acme.owner.get('/mcp/servers')).body).toHaveLength(1);
      expect((await acme.owner.get('/api/v1/mcp/connections/')).body).toHaveLength(1);
    });

    it.each(['not a url', 'ftp://example.com', 'http://user:password@example.com/', 'javascript:alert(1)', ''])(
      'because its address is "%s" is a 400 that names server_url or the address',
      async (url) => {
        const answer = await acme.owner.post('/mcp/servers', {
          server_id: 'broken',
          server_url: url,
          server_name: 'Broken',
        });
        expect(answer.status).toBe(400);
        expect(answer.text).not.toContain('user:password');
      },
    );

    it.each(['html', 'status-401', 'status-500', 'not-json', 'bomb'])(
      'because its handshake is %s is a 400',
      async (handshake) => {
        const hostile = await startHostile({ handshake });
        try {
          const answer = await acme.owner.post('/mcp/servers', {
            server_id: 'broken',
            server_url: hostile.url,
            server_name: 'Broken',
          });
          expectError(answer, 400, 'connection_failed');
          expect(answer.body.details.reason).toEqual(expect.any(String));
        } finally {
          await hostile.close();
        }
      },
      60_000,
    );
  });
});
