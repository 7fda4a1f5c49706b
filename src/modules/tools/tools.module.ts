import { Module } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { AddServerService } from './add-server.service.js';
import { InvocationService } from './invocation.service.js';
import { ResourceReadingController } from './resource-reading.controller.js';
import { ResourceReadingService } from './resource-reading.service.js';
import { ServersController } from './servers.controller.js';
import { ServersService } from './servers.service.js';
import { ToolsController } from './tools.controller.js';
import { ToolsService } from './tools.service.js';

/** The use itself: executing tools, reading resources, and the `/mcp` API around them. */
@Module({
  imports: [ConnectionsModule, DiscoveryModule],
  controllers: [ServersController, ToolsController, ResourceReadingController],
  providers: [AddServerService, InvocationService, ResourceReadingService, ServersService, ToolsService],
})
export class ToolsModule {}
