import { randomUUID } from 'node:crypto';
import type { ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import {
  expectError,
  itHidesForeignRows,
  itIsProtected,
  itRefusesBadBodies,
  type Operation,
} from '../../../test/support/contract.js';
import { newTenant, newUser, type Tenant } from '../../../test/support/tenants.js';

describe('organizations, users and workspaces', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  beforeAll(async () => {
    app = await startApp();
    [acme, other] = [await newTenant(app), await newTenant(app)];
  });
  afterAll(() => app.close());

  const organizationOperations = (id: string): Operation[] => [
    { method: 'GET', path: `/api/v1/organizations/${id}/` },
    { method: 'PATCH', path: `/api/v1/organizations/${id}/`, body: { name: 'Renamed' } },
    { method: 'DELETE', path: `/api/v1/organizations/${id}/` },
    { method: 'GET', path: `/api/v1/organizations/${id}/members/` },
    { method: 'POST', path: `/api/v1/organizations/${id}/members/`, body: { username: 'admin', role: 'member' } },
  ];
  const workspaceOperations = (id: string): Operation[] => [
    { method: 'GET', path: `/api/v1/workspaces/${id}/` },
    { method: 'PATCH', path: `/api/v1/workspaces/${id}/`, body: { name: 'Renamed' } },
    { method: 'DELETE', path: `/api/v1/workspaces/${id}/` },
    { method: 'GET', path: `/api/v1/workspaces/${id}/members/` },
    { method: 'POST', path: `/api/v1/workspaces/${id}/members/`, body: { username: 'admin', role: 'member' } },
    { method: 'DELETE', path: `/api/v1/workspaces/${id}/members/${randomUUID()}/` },
  ];

  itIsProtected(
    () => app.anonymous,
    () => [
      ...organizationOperations(acme.organization),
      ...workspaceOperations(acme.workspace),
      { method: 'GET', path: '/api/v1/users/' },
      { method: 'POST', path: '/api/v1/organizations/', body: { name: 'X' } },
    ],
  );
  describe('an organization', () =>
    itHidesForeignRows(
      () => other.owner,
      () => acme.organization,
      organizationOperations,
    ));
  describe('a workspace', () =>
    itHidesForeignRows(
      () => other.owner,
      () => acme.workspace,
      workspaceOperations,
    ));
  itRefusesBadBodies(
    () => acme.owner,
    () => ({ method: 'POST', path: '/api/v1/workspaces/', body: { organization: acme.organization, name: 'W' } }),
  );

  describe('organizations', () => {
    it('are created by operators, for an owner of their choice', async () => {
      const user = await newUser(app);
      const created = await app.admin.post('/api/v1/organizations/', { name: `Org ${randomUUID()}`, owner: user.id });
      expect(created.status).toBe(201);
      expect((await user.client.get('/api/v1/organizations/')).body).toEqual([created.body]);
      expectError(await user.client.post('/api/v1/organizations/', { name: 'Mine' }), 403, 'forbidden');
      expectError(
        await app.admin.post('/api/v1/organizations/', { name: created.body.name.toUpperCase() }),
        409,
        'name_taken',
      );
      expectError(
        await app.admin.post('/api/v1/organizations/', { name: `Org ${randomUUID()}`, owner: randomUUID() }),
        404,
        'resource_not_found',
      );
    });

    it('disappear for everybody when deleted, and free their name', async () => {
      const tenant = await newTenant(app);
      expect((await app.admin.delete(`/api/v1/organizations/${tenant.organization}/`)).status).toBe(204);
      expect((await tenant.owner.get('/api/v1/auth/me')).body.organizations).toEqual([]);
      expectError(await tenant.owner.get(`/api/v1/workspaces/${tenant.workspace}/`), 404, 'resource_not_found');
      expect((await app.admin.post('/api/v1/organizations/', { name: tenant.name })).status).toBe(201);
    });

    it('are renamed by operators only', async () => {
      expectError(
        await acme.owner.patch(`/api/v1/organizations/${acme.organization}/`, { name: 'X' }),
        403,
        'forbidden',
      );
    });

    it('keep an owner: the last one neither leaves nor steps down', async () => {
      const tenant = await newTenant(app);
      const members = `/api/v1/organizations/${tenant.organization}/members`;
      expectError(await tenant.owner.delete(`${members}/${tenant.ownerId}/`), 409, 'last_owner');
      expectError(await tenant.owner.patch(`${members}/${tenant.ownerId}/`, { role: 'admin' }), 409, 'last_owner');
      expectError(await app.admin.delete(`/api/v1/users/${tenant.ownerId}/`), 409, 'last_owner');
    });

    it('let admins manage members but not owners', async () => {
      const admin = await newUser(app);
      const members = `/api/v1/organizations/${acme.organization}/members/`;
      expect((await acme.owner.post(members, { username: admin.username, role: 'admin' })).status).toBe(201);
      const user = await newUser(app);
      expectError(await admin.client.post(members, { username: user.username, role: 'owner' }), 403, 'forbidden');
      expect((await admin.client.post(members, { username: user.username, role: 'member' })).status).toBe(201);
      expectError(await admin.client.post(members, { username: user.username, role: 'member' }), 409, 'conflict');
      expectError(await admin.client.delete(`${members}${acme.ownerId}/`), 403, 'forbidden');
      expectError(await user.client.get(members), 403, 'forbidden');
      expectError(
        await admin.client.post(members, { username: 'nobody-at-all', role: 'member' }),
        400,
        'validation_failed',
      );
    });
  });

  describe('workspaces', () => {
    it('are seen by admins of the organization and by their own members', async () => {
      const user = await newUser(app);
      await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, {
        username: user.username,
        role: 'member',
      });
      expectError(await user.client.get(`/api/v1/workspaces/${acme.workspace}/`), 404, 'resource_not_found');
      const added = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
        username: user.username,
        role: 'member',
      });
      expect([added.status, added.body.role]).toEqual([201, 'member']);
      expect((await user.client.get(`/api/v1/workspaces/${acme.workspace}/`)).body).toMatchObject({
        id: acme.workspace,
        organization: { id: acme.organization, name: acme.name },
      });
      expectError(await user.client.patch(`/api/v1/workspaces/${acme.workspace}/`, { name: 'X' }), 403, 'forbidden');
      expectError(
        await user.client.post('/api/v1/workspaces/', { organization: acme.organization, name: 'X' }),
        403,
        'forbidden',
      );
      expectError(
        await user.client.post(`/api/v1/workspaces/${acme.workspace}/members/`, { username: 'admin', role: 'member' }),
        403,
        'forbidden',
      );
    });

    it('take members of the organization only, and lose them with it', async () => {
      const stranger = await newUser(app);
      const members = `/api/v1/workspaces/${acme.workspace}/members/`;
      expectError(
        await acme.owner.post(members, { username: stranger.username, role: 'manager' }),
        400,
        'validation_failed',
      );
      await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, {
        username: stranger.username,
        role: 'member',
      });
      expect((await acme.owner.post(members, { username: stranger.username, role: 'manager' })).status).toBe(201);
      expect((await stranger.client.get(members)).status).toBe(200);
      expect(
        (await acme.owner.delete(`/api/v1/organizations/${acme.organization}/members/${stranger.id}/`)).status,
      ).toBe(204);
      expectError(await stranger.client.get(members), 404, 'resource_not_found');
    });

    it('have names that are unique in their organization and free in others', async () => {
      const name = `Same ${randomUUID()}`;
      expect((await acme.owner.post('/api/v1/workspaces/', { organization: acme.organization, name })).status).toBe(
        201,
      );
      expectError(
        await acme.owner.post('/api/v1/workspaces/', { organization: acme.organization, name: name.toLowerCase() }),
        409,
        'name_taken',
      );
      expect((await other.owner.post('/api/v1/workspaces/', { organization: other.organization, name })).status).toBe(
        201,
      );
      expectError(
        await other.owner.post('/api/v1/workspaces/', { organization: acme.organization, name: 'X' }),
        404,
        'resource_not_found',
      );
    });

    it('are managed by their managers as far as members go', async () => {
      const manager = await newUser(app);
      await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, {
        username: manager.username,
        role: 'member',
      });
      const members = `/api/v1/workspaces/${acme.workspace}/members/`;
      await acme.owner.post(members, { username: manager.username, role: 'manager' });
      const user = await newUser(app);
      await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, {
        username: user.username,
        role: 'member',
      });
      expect((await manager.client.post(members, { username: user.username, role: 'member' })).status).toBe(201);
      expect((await manager.client.patch(`${members}${user.id}/`, { role: 'manager' })).body.role).toBe('manager');
      expect((await manager.client.delete(`${members}${user.id}/`)).status).toBe(204);
    });
  });

  describe('users', () => {
    it('are the business of operators', async () => {
      for (const client of [acme.owner]) {
        expectError(await client.get('/api/v1/users/'), 403, 'forbidden');
        expectError(await client.post('/api/v1/users/', { username: 'x' }), 403, 'forbidden');
      }
      const user = await newUser(app);
      expectError(await app.admin.post('/api/v1/users/', { username: user.username.toUpperCase() }), 409, 'name_taken');
      expect((await app.admin.get(`/api/v1/users/${user.id}/`)).body).toEqual({
        id: user.id,
        username: user.username,
        email: null,
        is_operator: false,
        is_active: true,
        created_at: expect.stringMatching(/Z$/),
      });
    });

    it('keep an operator among them', async () => {
      const { id } = (await app.admin.get('/api/v1/auth/me')).body;
      expectError(await app.admin.patch(`/api/v1/users/${id}/`, { is_operator: false }), 409, 'conflict');
      expectError(await app.admin.delete(`/api/v1/users/${id}/`), 409, 'conflict');
    });
  });

  describe('lists', () => {
    it('page by Link headers, in a stable order, with the total', async () => {
      const tenant = await newTenant(app);
      for (let number = 0; number < 7; number++) {
        await tenant.owner.post('/api/v1/workspaces/', { organization: tenant.organization, name: `W${number}` });
      }
      const names: string[] = [];
      let path: string | null = '/api/v1/workspaces/?limit=3';
      for (let pages = 0; path !== null && pages < 10; pages++) {
        const answer: Awaited<ReturnType<ApiClient['get']>> = await tenant.owner.get(path);
        expect(answer.headers.get('x-total-count')).toBe('8');
        names.push(...answer.body.map((row: { name: string }) => row.name));
        const next: string | undefined = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
        path = next === undefined ? null : new URL(next).pathname + new URL(next).search;
      }
      expect(names).toEqual([tenant.workspaceName, 'W0', 'W1', 'W2', 'W3', 'W4', 'W5', 'W6']);
    });

    it.each([
      'limit=0',
      'limit=501',
      'limit=x',
      'cursor=!!',
      'cursor=YWJj',
      'organization=1',
      'surprise=1',
      'limit=1&limit=2',
    ])('refuse the query %s', async (query) => {
      expectError(await acme.owner.get(`/api/v1/workspaces/?${query}`), 400, 'validation_failed');
    });

    it('are empty for an organization that is not ours', async () => {
      expect((await acme.owner.get(`/api/v1/workspaces/?organization=${other.organization}`)).body).toEqual([]);
    });
  });
});
