import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';

/**
 * `usage_count` and `last_used` of grants. Calls that end while a write is under way share the next one, so that a busy
 * grant's row is written once for many calls, and a call alone does not wait for company.
 */
@Injectable()
export class GrantUseService {
  private readonly logger = new Logger('grant-use');
  private waiting = new Map<number, number>();
  private writing: Promise<void> | null = null;
  private next: Promise<void> | null = null;

  constructor(private readonly database: Database) {}

  /** Resolves when the use is written. */
  record(grantId: number): Promise<void> {
    this.waiting.set(grantId, (this.waiting.get(grantId) ?? 0) + 1);
    this.next ??= (this.writing ?? Promise.resolve()).then(() => {
      this.next = null;
      this.writing = this.write().finally(() => (this.writing = null));
      return this.writing;
    });
    return this.next;
  }

  private async write(): Promise<void> {
    const uses = this.waiting;
    this.waiting = new Map();
    try {
      // Locked in the order of their keys, so that replicas do not wait for each other in a circle.
      await this.database.manager.query(
        `WITH locked AS (SELECT id FROM workspace_access WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
         UPDATE workspace_access a SET usage_count = a.usage_count + x.uses, last_used = now()
           FROM locked JOIN unnest($1::int[], $2::int[]) AS x(id, uses) ON x.id = locked.id WHERE a.id = locked.id`,
        [[...uses.keys()], [...uses.values()]],
      );
    } catch (error) {
      this.logger.warn({ err: error }, 'the use of grants could not be noted');
    }
  }
}
