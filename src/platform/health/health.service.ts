import { Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { Database } from '../database/transaction.js';
import type { OpenConnections } from '../http/open-connections.js';
import { DomainError } from '../http/domain-error.js';

const DATABASE_DEADLINE_MS = 2_000;

/** Whether this process should get traffic. */
@Injectable()
export class HealthService {
  private draining = false;
  /** The question that the database has not answered yet. */
  private asked: Promise<boolean> | null = null;

  get isDraining(): boolean {
    return this.draining;
  }

  constructor(private readonly database: Database) {}

  /** Set by whoever made the server. */
  connections: OpenConnections | null = null;

  /**
   * From now on not ready, but still serving for as long as load balancers need to notice; then connections end that
   * have nothing under way.
   * @param noticeMs milliseconds
   */
  async drain(noticeMs: number): Promise<void> {
    this.draining = true;
    await delay(noticeMs);
    this.connections?.dropUnfinished();
  }

  /** @throws DomainError `unavailable` naming what is missing */
  async assertReady(): Promise<{ status: 'ready' }> {
    if (this.draining) throw new DomainError('unavailable', 'This process is shutting down', { status: 'draining' }, 1);
    const answered = await Promise.race([this.askDatabase(), delay(DATABASE_DEADLINE_MS, false, { ref: false })]);
    if (!answered) throw new DomainError('unavailable', 'The database does not answer', { database: 'down' }, 2);
    return { status: 'ready' };
  }
  /** One question at a time, whoever probes: a database that hangs must not hold a connection of the pool for each probe. */
  private askDatabase(): Promise<boolean> {
    this.asked ??= this.database.manager
      .query('SELECT 1')
      .then(
        () => true,
        () => false,
      )
      .finally(() => (this.asked = null));
    return this.asked;
  }
}
