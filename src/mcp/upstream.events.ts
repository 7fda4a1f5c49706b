/** A live session of this process was told that the server's tools, resources or prompts changed. */
export const UPSTREAM_LIST_CHANGED = 'upstream_list_changed';

export interface UpstreamListChanged {
  readonly type: typeof UPSTREAM_LIST_CHANGED;
  readonly connection_id: string;
  readonly [id: string]: string;
}

export function upstreamListChanged(connectionId: string): UpstreamListChanged {
  return { type: UPSTREAM_LIST_CHANGED, connection_id: connectionId };
}
