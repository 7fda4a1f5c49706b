import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { MappingsModule } from '../mappings/mappings.module.js';
import { WorkspaceAccessModule } from '../workspace-access/workspace-access.module.js';
import { AdmissionService } from './admission.service.js';
import { AsyncApiController } from './asyncapi.controller.js';
import { LiveMessagesService } from './live-messages.service.js';
import { SubscriptionsService } from './subscriptions.service.js';
import { TicketsController } from './tickets.controller.js';
import { TicketsService } from './tickets.service.js';
import { UpgradesService } from './upgrades.service.js';
import { WsTicket } from './ws-ticket.entity.js';

/** The live door for people who watch: a WebSocket for each connection. */
@Module({
  imports: [
    TypeOrmModule.forFeature([WsTicket]),
    IdentityModule,
    ConnectionsModule,
    DiscoveryModule,
    WorkspaceAccessModule,
    MappingsModule,
  ],
  controllers: [TicketsController, AsyncApiController],
  providers: [AdmissionService, LiveMessagesService, SubscriptionsService, TicketsService, UpgradesService],
})
export class RealtimeModule {}
