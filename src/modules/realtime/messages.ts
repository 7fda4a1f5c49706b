import type { ConnectionStatus } from '../connections/connections.service.js';
import type { ChangedResource } from '../discovery/resources.service.js';

/** What subscribers of a connection are sent, as JSON text frames; documented at /docs/asyncapi.json. */
export type Message =
  | { type: 'connection_status'; connection_id: string; status: ConnectionStatus; timestamp: string }
  | {
      type: 'resource_updated';
      resource: { id: number; resource_name: string; resource_type: string; is_available: boolean };
    }
  | { type: 'tool_changed'; connection_id: string; tool: { id: string; resource_id: number } | null }
  | { type: 'discovery_progress'; connection_id: string; run_id: string; stage: string | null; resources_found: number }
  | {
      type: 'mapping_synced';
      mapping_id: number;
      sync_id: string;
      status: string;
      items_synced: number;
      items_failed: number;
    }
  | { type: 'resync' };

export function connectionStatus(connectionId: string, status: ConnectionStatus): Message {
  return { type: 'connection_status', connection_id: connectionId, status, timestamp: new Date().toISOString() };
}

export function resourceUpdated({ id, resource_name, resource_type, is_available }: ChangedResource): Message {
  return { type: 'resource_updated', resource: { id, resource_name, resource_type, is_available } };
}
