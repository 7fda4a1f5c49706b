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

/** How far a discovery is was written down. */
export const DISCOVERY_PROGRESSED = 'discovery_progressed';

export interface DiscoveryProgressed {
  readonly type: typeof DISCOVERY_PROGRESSED;
  readonly connection_id: string;
  readonly run_id: string;
  readonly [id: string]: string;
}

export function discoveryProgressed(connectionId: string, runId: string): DiscoveryProgressed {
  return { type: DISCOVERY_PROGRESSED, connection_id: connectionId, run_id: runId };
}

/** Definitions of a connection wait for review or were decided on, or the effect of a tool was set. */
export const TOOL_CHANGED = 'tool_changed';

export interface ToolChanged {
  readonly type: typeof TOOL_CHANGED;
  readonly connection_id: string;
  readonly organization_id: string;
  /** Of the tool or prompt; 0 for instructions, and where a discovery found any number of changes. */
  readonly resource_id: number;
  readonly [id: string]: string | number;
}

export function toolChanged(connectionId: string, organizationId: string, resourceId: number): ToolChanged {
  return {
    type: TOOL_CHANGED,
    connection_id: connectionId,
    organization_id: organizationId,
    resource_id: resourceId,
  };
}

/** Job, enqueued in the transaction that writes what a discovery found: what follows from it must not be lost. */
export const DISCOVERY_STORED_JOB = 'discovery_stored';
