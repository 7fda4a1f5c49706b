import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { RegistryModule } from '../registry/registry.module.js';
import { ConnectedServersService } from './connected-servers.service.js';
import { ConnectionChangesService } from './connection-changes.service.js';
import { ConnectionSettingsService } from './connection-settings.service.js';
import { ConnectionTargetsService } from './connection-targets.service.js';
import { ConnectionTestService } from './connection-test.service.js';
import { Connection } from './connection.entity.js';
import { ConnectionsController } from './connections.controller.js';
import { ConnectionsService } from './connections.service.js';
import { NewConnectionsService } from './new-connections.service.js';

/** What an organization is connected to, and the credentials for it. */
@Module({
  imports: [TypeOrmModule.forFeature([Connection]), AuditModule, IdentityModule, RegistryModule],
  controllers: [ConnectionsController],
  providers: [
    ConnectedServersService,
    ConnectionChangesService,
    ConnectionSettingsService,
    ConnectionTargetsService,
    ConnectionTestService,
    ConnectionsService,
    NewConnectionsService,
  ],
  exports: [
    ConnectedServersService,
    ConnectionChangesService,
    ConnectionTargetsService,
    ConnectionsService,
    NewConnectionsService,
  ],
})
export class ConnectionsModule {}
