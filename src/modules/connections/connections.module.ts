import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { RegistryModule } from '../registry/registry.module.js';
import { ConnectedServersService } from './connected-servers.service.js';
import { ConnectionChangesService } from './connection-changes.service.js';
import { ConnectionChecksService } from './connection-checks.service.js';
import { ConnectionSettingsService } from './connection-settings.service.js';
import { ConnectionTargetsService } from './connection-targets.service.js';
import { ConnectionTestService } from './connection-test.service.js';
import { ConnectionCheck } from './connection-check.entity.js';
import { Connection } from './connection.entity.js';
import { ConnectionsController } from './connections.controller.js';
import { ConnectionsService } from './connections.service.js';
import { HealthChecksService } from './health-checks.service.js';
import { NewConnectionsService } from './new-connections.service.js';

/** What an organization is connected to, and the credentials for it. */
@Module({
  imports: [TypeOrmModule.forFeature([Connection, ConnectionCheck]), AuditModule, IdentityModule, RegistryModule],
  controllers: [ConnectionsController],
  providers: [
    ConnectedServersService,
    ConnectionChangesService,
    ConnectionChecksService,
    ConnectionSettingsService,
    ConnectionTargetsService,
    ConnectionTestService,
    ConnectionsService,
    HealthChecksService,
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
