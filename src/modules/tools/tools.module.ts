import { Module } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { WorkspaceAccessModule } from '../workspace-access/workspace-access.module.js';
import { AddServerService } from './add-server.service.js';
import { CallPathService } from './call-path.service.js';
import { InvocationService } from './invocation.service.js';
import { ResourceReadingService } from './resource-reading.service.js';
import { ResourcesController } from './resources.controller.js';
import { ServersController } from './servers.controller.js';
import { ServersService } from './servers.service.js';
import { ToolsController } from './tools.controller.js';
import { ToolsService } from './tools.service.js';
import { UpstreamUseService } from './upstream-use.service.js';

/** The use itself: executing tools, reading resources, and the `/mcp` API around them. */
@Module({
  imports: [IdentityModule, ConnectionsModule, DiscoveryModule, WorkspaceAccessModule, UsageModule],
  controllers: [ServersController, ToolsController, ResourcesController],
  providers: [
    AddServerService,
    CallPathService,
    InvocationService,
    ResourceReadingService,
    ServersService,
    ToolsService,
    UpstreamUseService,
  ],
  exports: [InvocationService],
})
export class ToolsModule {}
