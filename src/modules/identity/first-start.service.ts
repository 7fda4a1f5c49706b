import { Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Environment } from '../../platform/config/environment.js';
import { hashPassword } from '../../platform/crypto/passwords.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { Membership } from './membership.entity.js';
import { memberOfWorkspace } from './organization-members.service.js';
import { Organization } from './organization.entity.js';
import { User } from './user.entity.js';
import { WorkspaceMember } from './workspace-member.entity.js';
import { Workspace } from './workspace.entity.js';

/** Any number that nobody else uses: only one process may find the database empty. */
const FIRST_START_LOCK = 7_201;

/** On an empty database: the first operator, who also owns an organization and a workspace named Default. */
@Injectable()
export class FirstStartService implements OnApplicationBootstrap {
  private readonly logger = new Logger('first-start');

  constructor(
    private readonly database: Database,
    private readonly environment: Environment,
    private readonly audit: AuditService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { ADMIN_USERNAME: username, ADMIN_PASSWORD: chosen } = this.environment;
    const password = chosen ?? randomBytes(12).toString('base64url');
    const passwordHash = await hashPassword(password);
    const created = await this.database.transaction(async (transaction) => {
      await transaction.manager.query('SELECT pg_advisory_xact_lock($1)', [FIRST_START_LOCK]);
      if (await transaction.manager.exists(User)) return false;
      for (const change of await populate(transaction, username, passwordHash))
        await this.audit.record(transaction, null, change);
      return true;
    });
    if (created) this.tellHowToLogIn(username, chosen === undefined ? password : null);
  }

  /** A generated password is shown this once, on the console and not in the structured log, which is kept and shipped. */
  private tellHowToLogIn(username: string, generated: string | null): void {
    this.logger.log(
      `The first operator ${username} was created; log in at POST ${this.environment.PUBLIC_URL}/api/v1/auth/login`,
    );
    if (this.environment.NODE_ENV === 'test') return;
    const password = generated === null ? 'the one in ADMIN_PASSWORD' : generated;
    process.stderr.write(
      `\n  Log in as   ${username}\n  Password    ${password}\n  API         ${this.environment.PUBLIC_URL}/docs\n\n`,
    );
  }
}

/** @returns what it made, for the audit trail */
async function populate({ manager }: Transaction, username: string, passwordHash: string): Promise<Change[]> {
  const [userId, organizationId, workspaceId] = [uuidv7(), uuidv7(), uuidv7()];
  const [name, user] = ['Default', { id: userId, username }];
  await manager.insert(User, { id: userId, username, passwordHash, isOperator: true });
  await manager.insert(Organization, { id: organizationId, name });
  await manager.insert(Membership, { organizationId, userId, role: 'owner' });
  await manager.insert(Workspace, { id: workspaceId, organizationId, name, createdById: userId });
  await manager.insert(WorkspaceMember, { workspaceId, userId, role: 'manager' });
  const made = (action: string, object: Change['object'], after: object): Change => ({
    organizationId: object.type === 'user' ? null : organizationId,
    action,
    object,
    after: { ...after },
  });
  return [
    made('user.created', { type: 'user', id: userId }, { ...user, is_operator: true }),
    made('organization.created', { type: 'organization', id: organizationId }, { id: organizationId, name }),
    made('member.added', { type: 'membership', id: userId }, { user, role: 'owner' }),
    made('workspace.created', { type: 'workspace', id: workspaceId }, { id: workspaceId, name }),
    made('workspace_member.added', memberOfWorkspace(workspaceId, userId), { user, role: 'manager' }),
  ];
}
