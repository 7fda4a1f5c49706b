/** What a connection offers was written anew. */
export const DISCOVERY_FINISHED = 'discovery_finished';

export interface DiscoveryFinished {
  readonly type: typeof DISCOVERY_FINISHED;
  readonly connection_id: string;
  readonly organization_id: string;
  readonly run_id: string;
  readonly [id: string]: string;
}

export function discoveryFinished(connectionId: string, organizationId: string, runId: string): DiscoveryFinished {
  return { type: DISCOVERY_FINISHED, connection_id: connectionId, organization_id: organizationId, run_id: runId };
}
