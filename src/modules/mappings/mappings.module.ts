import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { WorkspaceAccessModule } from '../workspace-access/workspace-access.module.js';
import { DeliveryRunnerService } from './delivery-runner.service.js';
import { ItemReaderService } from './item-reader.service.js';
import { MappingChangesService } from './mapping-changes.service.js';
import { MappingDelivery } from './mapping-delivery.entity.js';
import { MappingItem } from './mapping-item.entity.js';
import { MappingPreviewService } from './mapping-preview.service.js';
import { MappingSourceService } from './mapping-source.service.js';
import { MappingSyncItem } from './mapping-sync-item.entity.js';
import { MappingSync } from './mapping-sync.entity.js';
import { MappingWebhook } from './mapping-webhook.entity.js';
import { Mapping } from './mapping.entity.js';
import { MappingsController } from './mappings.controller.js';
import { MappingsService } from './mappings.service.js';
import { PushService } from './push.service.js';
import { SyncRunnerService } from './sync-runner.service.js';
import { SyncScheduleService } from './sync-schedule.service.js';
import { SyncStoreService } from './sync-store.service.js';
import { SyncsController } from './syncs.controller.js';
import { SyncsService } from './syncs.service.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksService } from './webhooks.service.js';

/** Records of upstream resources in the shape that components need, kept in sync. */
@Module({
  imports: [
    TypeOrmModule.forFeature([Mapping, MappingDelivery, MappingItem, MappingSync, MappingSyncItem, MappingWebhook]),
    AuditModule,
    DiscoveryModule,
    WorkspaceAccessModule,
    ToolsModule,
  ],
  controllers: [MappingsController, SyncsController, WebhooksController],
  providers: [
    DeliveryRunnerService,
    ItemReaderService,
    MappingChangesService,
    MappingPreviewService,
    MappingSourceService,
    MappingsService,
    PushService,
    SyncRunnerService,
    SyncScheduleService,
    SyncStoreService,
    SyncsService,
    WebhooksService,
  ],
  exports: [SyncsService],
})
export class MappingsModule {}
