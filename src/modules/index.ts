import { AgentGatewayModule } from './agent-gateway/agent-gateway.module.js';
import { AuditModule } from './audit/audit.module.js';
import { ConnectionsModule } from './connections/connections.module.js';
import { DiscoveryModule } from './discovery/discovery.module.js';
import { IdentityModule } from './identity/identity.module.js';
import { MappingsModule } from './mappings/mappings.module.js';
import { RealtimeModule } from './realtime/realtime.module.js';
import { RegistryModule } from './registry/registry.module.js';
import { ToolsModule } from './tools/tools.module.js';
import { UsageModule } from './usage/usage.module.js';
import { WorkspaceAccessModule } from './workspace-access/workspace-access.module.js';

/**
 * Every feature, in ladder order: a module calls only those above it (docs/adr/0002-the-ladder.md).
 * Adding one: a folder, a line here, a migration.
 */
export const MODULES = [
  AuditModule,
  IdentityModule,
  RegistryModule,
  ConnectionsModule,
  DiscoveryModule,
  WorkspaceAccessModule,
  UsageModule,
  ToolsModule,
  MappingsModule,
  AgentGatewayModule,
  RealtimeModule,
];
