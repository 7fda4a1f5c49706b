import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AuthController } from './auth.controller.js';
import { AuthenticationService } from './authentication.service.js';
import { FirstStartService } from './first-start.service.js';
import { Membership } from './membership.entity.js';
import { OrganizationMembersService } from './organization-members.service.js';
import { Organization } from './organization.entity.js';
import { OrganizationsController } from './organizations.controller.js';
import { OrganizationsService } from './organizations.service.js';
import { ProfileService } from './profile.service.js';
import { RefreshToken } from './refresh-token.entity.js';
import { Session } from './session.entity.js';
import { SessionsService } from './sessions.service.js';
import { User } from './user.entity.js';
import { UsersController } from './users.controller.js';
import { UsersService } from './users.service.js';
import { WorkspaceMember } from './workspace-member.entity.js';
import { WorkspaceMembersService } from './workspace-members.service.js';
import { Workspace } from './workspace.entity.js';
import { WorkspaceToken } from './workspace-token.entity.js';
import { WorkspaceTokensController } from './workspace-tokens.controller.js';
import { WorkspaceTokensService } from './workspace-tokens.service.js';
import { WorkspacesController } from './workspaces.controller.js';
import { WorkspacesService } from './workspaces.service.js';

/** Who is here: organizations, users, workspaces, and how they sign in. */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      Organization,
      User,
      Membership,
      Workspace,
      WorkspaceMember,
      WorkspaceToken,
      Session,
      RefreshToken,
    ]),
    AuditModule,
  ],
  controllers: [
    AuthController,
    OrganizationsController,
    UsersController,
    WorkspacesController,
    WorkspaceTokensController,
  ],
  providers: [
    AuthenticationService,
    FirstStartService,
    OrganizationMembersService,
    OrganizationsService,
    ProfileService,
    SessionsService,
    UsersService,
    WorkspaceMembersService,
    WorkspaceTokensService,
    WorkspacesService,
  ],
  exports: [AuthenticationService, OrganizationsService, WorkspacesService],
})
export class IdentityModule {}
