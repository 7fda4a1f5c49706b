import type { SealedColumn } from '../../platform/crypto/reseal.js';

/** Credentials of connections, for `npm run keys:rotate`. */
export const SEALED_CREDENTIALS: SealedColumn = {
  table: 'connections',
  id: 'id',
  column: 'sealed_auth',
  condition: 'deleted_at IS NULL',
  place: ({ id, organization_id: organizationId }) => ({ organizationId, connectionId: id, field: 'auth_data' }),
  named: 'connections',
};
