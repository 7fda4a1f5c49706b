/** A server type was changed: connections of it are reached another way now. */
export const SERVER_TYPE_CHANGED = 'server_type_changed';

export interface ServerTypeChanged {
  readonly type: typeof SERVER_TYPE_CHANGED;
  readonly server_type_id: number;
  readonly [id: string]: string | number;
}

export function serverTypeChanged(id: number): ServerTypeChanged {
  return { type: SERVER_TYPE_CHANGED, server_type_id: id };
}

/** Job, enqueued in the transaction that changes a type: what filters of grants match may be something else now. */
export const SERVER_TYPE_STORED_JOB = 'server_type_stored';
