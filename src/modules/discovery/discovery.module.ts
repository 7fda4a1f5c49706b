import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DefinitionEntry } from './definition.entity.js';
import { DefinitionStoreService } from './definition-store.service.js';
import { DiscoveryController } from './discovery.controller.js';
import { DiscoveryRun } from './discovery-run.entity.js';
import { DiscoveryRunnerService } from './discovery-runner.service.js';
import { DiscoveryRunsService } from './discovery-runs.service.js';
import { DiscoveryService } from './discovery.service.js';
import { DiscoveryStoreService } from './discovery-store.service.js';
import { PromptCatalogService } from './prompt-catalog.service.js';
import { Resource } from './resource.entity.js';
import { ResourcesService } from './resources.service.js';
import { ReviewsController } from './reviews.controller.js';
import { ReviewsService } from './reviews.service.js';
import { ToolCatalogService } from './tool-catalog.service.js';
import { ToolReviewController } from './tool-review.controller.js';
import { ToolReviewService } from './tool-review.service.js';
import { Tool } from './tool.entity.js';

/** What connected servers offer. */
@Module({
  imports: [TypeOrmModule.forFeature([Resource, Tool, DefinitionEntry, DiscoveryRun]), AuditModule, ConnectionsModule],
  controllers: [DiscoveryController, ReviewsController, ToolReviewController],
  providers: [
    DefinitionStoreService,
    DiscoveryRunnerService,
    DiscoveryRunsService,
    DiscoveryService,
    DiscoveryStoreService,
    PromptCatalogService,
    ResourcesService,
    ReviewsService,
    ToolCatalogService,
    ToolReviewService,
  ],
  exports: [DiscoveryRunnerService, DiscoveryRunsService, PromptCatalogService, ResourcesService, ToolCatalogService],
})
export class DiscoveryModule {}
