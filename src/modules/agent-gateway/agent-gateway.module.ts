import { Module } from '@nestjs/common';
import { ConnectionsModule } from '../connections/connections.module.js';
import { DiscoveryModule } from '../discovery/discovery.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { WorkspaceAccessModule } from '../workspace-access/workspace-access.module.js';
import { AdmissionService } from './admission.service.js';
import { AgentEndpointRoutes } from './agent-endpoint.routes.js';
import { AgentEndpointService } from './agent-endpoint.service.js';
import { AgentMethodsService } from './agent-methods.service.js';
import { AgentSessionsService } from './agent-sessions.service.js';
import { AgentStreamsService } from './agent-streams.service.js';
import { OfferChangesService } from './offer-changes.service.js';
import { OfferedListsService } from './offered-lists.service.js';
import { ProtectedResourceController } from './protected-resource.controller.js';
import { ResourceSubscriptionsService } from './resource-subscriptions.service.js';
import { RequestStateService } from './request-state.service.js';
import { ToolSearchService } from './tool-search.service.js';
import { UriKeepersService } from './uri-keepers.service.js';
import { WorkspaceCatalogService } from './workspace-catalog.service.js';

/** The door for agents: an MCP endpoint for each workspace. */
@Module({
  imports: [IdentityModule, ConnectionsModule, DiscoveryModule, WorkspaceAccessModule, ToolsModule],
  controllers: [ProtectedResourceController],
  providers: [
    AdmissionService,
    AgentEndpointRoutes,
    AgentEndpointService,
    AgentMethodsService,
    AgentSessionsService,
    AgentStreamsService,
    OfferChangesService,
    OfferedListsService,
    RequestStateService,
    ResourceSubscriptionsService,
    ToolSearchService,
    UriKeepersService,
    WorkspaceCatalogService,
  ],
})
export class AgentGatewayModule {}
