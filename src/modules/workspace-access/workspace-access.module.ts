import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { AccessChangesService } from './access-changes.service.js';
import { AccessChecksService } from './access-checks.service.js';
import { AccessDecisionsService } from './access-decisions.service.js';
import { AccessPreviewService } from './access-preview.service.js';
import { AccessResourcesService } from './access-resources.service.js';
import { AutoSyncService } from './auto-sync.service.js';
import { GrantChangesService } from './grant-changes.service.js';
import { PoliciesService } from './policies.service.js';
import { ResourceFiltersService } from './resource-filters.service.js';
import { VisibilityService } from './visibility.service.js';
import { WorkspaceAccessResource } from './workspace-access-resource.entity.js';
import { WorkspaceAccessController } from './workspace-access.controller.js';
import { WorkspaceAccess } from './workspace-access.entity.js';
import { WorkspaceAccessService } from './workspace-access.service.js';

/** Who may use what, down to arguments and results. */
@Module({
  imports: [
    TypeOrmModule.forFeature([WorkspaceAccess, WorkspaceAccessResource]),
    AuditModule,
    IdentityModule,
    ConnectionsModule,
    DiscoveryModule,
  ],
  controllers: [WorkspaceAccessController],
  providers: [
    AccessChangesService,
    AccessChecksService,
    AccessDecisionsService,
    AccessPreviewService,
    AccessResourcesService,
    AutoSyncService,
    GrantChangesService,
    PoliciesService,
    ResourceFiltersService,
    VisibilityService,
    WorkspaceAccessService,
  ],
  exports: [AccessDecisionsService, PoliciesService, VisibilityService, WorkspaceAccessService],
})
export class WorkspaceAccessModule {}
