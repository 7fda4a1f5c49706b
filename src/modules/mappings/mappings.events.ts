/** A sync of a mapping has ended: its items may have changed. */
export const MAPPING_SYNCED = 'mapping_synced';

export interface MappingSynced {
  readonly type: typeof MAPPING_SYNCED;
  readonly mapping_id: number;
  readonly sync_id: string;
  readonly workspace_access_id: number;
  readonly [id: string]: string | number;
}

export function mappingSynced(mappingId: number, syncId: string, workspaceAccessId: number): MappingSynced {
  return { type: MAPPING_SYNCED, mapping_id: mappingId, sync_id: syncId, workspace_access_id: workspaceAccessId };
}
