import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DiscoveryController } from './discovery.controller.js';
import { DiscoveryRun } from './discovery-run.entity.js';
import { DiscoveryRunnerService } from './discovery-runner.service.js';
import { DiscoveryService } from './discovery.service.js';
import { DiscoveryStoreService } from './discovery-store.service.js';
import { Resource } from './resource.entity.js';
import { ResourcesController } from './resources.controller.js';
import { ResourcesService } from './resources.service.js';
import { ToolCatalogService } from './tool-catalog.service.js';
import { Tool } from './tool.entity.js';

/** What connected servers offer. */
@Module({
  imports: [TypeOrmModule.forFeature([Resource, Tool, DiscoveryRun]), ConnectionsModule],
  controllers: [DiscoveryController, ResourcesController],
  providers: [DiscoveryRunnerService, DiscoveryService, DiscoveryStoreService, ResourcesService, ToolCatalogService],
  exports: [DiscoveryRunnerService, ResourcesService, ToolCatalogService],
})
export class DiscoveryModule {}
