import { randomUUID } from 'node:crypto';
import type { ApiClient } from './api-client.js';
import type { TestApp } from './app.js';

const PASSWORD = 'correct horse battery staple';

export interface TestUser {
  id: string;
  username: string;
  client: ApiClient;
}

/** A person who is in no organization yet. */
export async function newUser(app: TestApp): Promise<TestUser> {
  const username = `user-${randomUUID()}`;
  const { body } = await app.admin.post('/api/v1/users/', { username, password: PASSWORD });
  return { id: body.id, username, client: await app.as(username, PASSWORD) };
}

export interface Tenant {
  organization: string;
  name: string;
  owner: ApiClient;
  ownerId: string;
  workspace: string;
  workspaceName: string;
}

/** An organization with an owner and one workspace, strangers to everybody else. */
export async function newTenant(app: TestApp): Promise<Tenant> {
  const owner = await newUser(app);
  const name = `Organization ${randomUUID()}`;
  const organization = (await app.admin.post('/api/v1/organizations/', { name, owner: owner.id })).body.id as string;
  const workspaceName = 'Product Development';
  const workspace = (await owner.client.post('/api/v1/workspaces/', { organization, name: workspaceName })).body
    .id as string;
  return { organization, name, owner: owner.client, ownerId: owner.id, workspace, workspaceName };
}

/** Adds a new person to the organization. */
export async function newMember(app: TestApp, tenant: Tenant, role: 'owner' | 'admin' | 'member'): Promise<TestUser> {
  const user = await newUser(app);
  await tenant.owner.post(`/api/v1/organizations/${tenant.organization}/members/`, { username: user.username, role });
  return user;
}
