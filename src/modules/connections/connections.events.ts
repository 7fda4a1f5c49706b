/** Address, credentials, options or the switch of a connection changed, or it was deleted: its sessions are stale. */
export const CONNECTION_CHANGED = 'connection_changed';

export interface ConnectionChanged {
  readonly type: typeof CONNECTION_CHANGED;
  readonly connection_id: string;
  readonly organization_id: string;
  readonly [id: string]: string;
}

export function connectionChanged(connectionId: string, organizationId: string): ConnectionChanged {
  return { type: CONNECTION_CHANGED, connection_id: connectionId, organization_id: organizationId };
}
