import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { isDatabaseUnavailable } from '../../platform/database/database-errors.js';
import type { Transaction } from '../../platform/database/transaction.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { AuditHeadsService } from './audit-heads.service.js';
import { digestOf, toEntry, type Author, type Change } from './audit-entry.js';

export { INSTALLATION, type Author, type Change } from './audit-entry.js';

/** The trail of changes, one chain per organization. */
export const CHANGES = 'changes';

const APPEND = `
  WITH link AS (SELECT seq, hash FROM audit_advance($2::uuid, '${CHANGES}', $14::bytea))
  INSERT INTO audit_records (id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id,
                             before, after, address, request_id, seq, hash)
  SELECT $1::uuid, $2::uuid, $3::timestamptz, $4::uuid, $5::uuid, $6, $7, $8, $9, $10::json, $11::json, $12, $13, seq, hash
    FROM link`;

/** Writes down who changed what, in the transaction that changes it: without the record there is no change. */
@Injectable()
export class AuditService {
  constructor(private readonly heads: AuditHeadsService) {}

  /**
   * The last step of a transaction: it holds the head of the organization's chain until the commit.
   * @param actor null where the product acts by itself
   * @throws DomainError `unavailable` where the trail can not be written, so that the transaction fails
   */
  async record({ manager }: Transaction, actor: Author | null, change: Change): Promise<void> {
    const entry = toEntry(uuidv7(), actor, change);
    const { id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id } = entry;
    const fields = [id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id];
    await manager
      .query(APPEND, [...fields, entry.before, entry.after, entry.address, entry.request_id, digestOf(entry)])
      .catch((error: unknown) => {
        if (isDatabaseUnavailable(error)) throw error;
        throw new DomainError('unavailable', 'The audit trail can not be written, so nothing was changed', {}, 5);
      });
    this.heads.advanced(change.organizationId);
  }
}
