/** What a workspace may use of a connection changed: compiled policies and shown lists are stale. */
export const ACCESS_CHANGED = 'access_changed';

export interface AccessChanged {
  readonly type: typeof ACCESS_CHANGED;
  readonly workspace_access_id: number;
  readonly workspace_id: string;
  readonly connection_id: string;
  readonly [id: string]: string | number;
}

export function accessChanged(id: number, workspaceId: string, connectionId: string): AccessChanged {
  return { type: ACCESS_CHANGED, workspace_access_id: id, workspace_id: workspaceId, connection_id: connectionId };
}
