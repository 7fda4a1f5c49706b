/** Rights of a user (null: of many) changed: whatever is cached about them is stale. */
export interface IdentityChanged {
  readonly type: 'identity_changed';
  readonly user_id: string | null;
  readonly [id: string]: string | null;
}

export const IDENTITY_CHANGED = 'identity_changed';

export function identityChanged(userId: string | null): IdentityChanged {
  return { type: IDENTITY_CHANGED, user_id: userId };
}
