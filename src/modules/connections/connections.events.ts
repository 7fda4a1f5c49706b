/** A connection changed or was deleted: what is cached of it is stale. */
export const CONNECTION_CHANGED = 'connection_changed';

export interface ConnectionChanged {
  readonly type: typeof CONNECTION_CHANGED;
  readonly connection_id: string;
  readonly organization_id: string;
  /** Whether what is under way on it ends: it was deleted or switched off, or has other credentials. */
  readonly ends: boolean;
  readonly [id: string]: string | boolean;
}

export function connectionChanged(connectionId: string, organizationId: string, ends: boolean): ConnectionChanged {
  return { type: CONNECTION_CHANGED, connection_id: connectionId, organization_id: organizationId, ends };
}

/** A server could be reached again, or not any more. */
export const CONNECTION_STATUS = 'connection_status';

export interface ConnectionStatusChanged {
  readonly type: typeof CONNECTION_STATUS;
  readonly connection_id: string;
  readonly organization_id: string;
  readonly reached: boolean;
  readonly [id: string]: string | boolean;
}

export function connectionStatusChanged(
  connectionId: string,
  organizationId: string,
  reached: boolean,
): ConnectionStatusChanged {
  return { type: CONNECTION_STATUS, connection_id: connectionId, organization_id: organizationId, reached };
}

/** A check found that a server does not answer any more: calls to it have no chance for now. */
export const CONNECTION_SILENT = 'connection_silent';

export interface ConnectionSilent {
  readonly type: typeof CONNECTION_SILENT;
  readonly connection_id: string;
  readonly [id: string]: string;
}

export function connectionSilent(connectionId: string): ConnectionSilent {
  return { type: CONNECTION_SILENT, connection_id: connectionId };
}
