import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';
import { RepeatedWork } from '../../platform/jobs/repeated-work.js';
import { ProcessLease } from '../../platform/processes/process-lease.service.js';
import type { CallFacts } from './call.js';
import { LedgerService } from './ledger.service.js';

const EVERY_MS = 3_000;
const AT_ONCE = 500;

interface LostCall extends Omit<CallFacts, 'started_at'> {
  started_at: Date;
  is_ours: boolean;
}

/** Of processes whose lease is over; and of this one, where a transaction that was given up committed after all. */
const LOST = `
  SELECT id, organization_id, workspace_id, workspace_access_id, connection_id, resource_id, tool_id, user_id, token_id, door,
         operation, started_at, reason, bytes_sent::float8 AS bytes_sent, request_id, address, arguments_hash, is_hidden,
         process_id = $1 AS is_ours
    FROM open_calls
   WHERE CASE WHEN process_id = $1 THEN started_at < now() - interval '10 s' ELSE $2 AND process_is_dead(process_id, $1) END
   ORDER BY id LIMIT ${AT_ONCE}`;

/** Closes what dead processes left open. A process that was only paused finds its rows closed, and may not close them again. */
@Injectable()
export class LostCallsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('ledger');
  private readonly sweeps = new RepeatedWork(
    () => this.sweep(),
    EVERY_MS,
    (error) => this.logger.warn({ err: error }, 'calls that were left open could not be closed'),
  );

  constructor(
    private readonly ledger: LedgerService,
    private readonly database: Database,
    private readonly lease: ProcessLease,
  ) {}

  onApplicationBootstrap(): void {
    this.sweeps.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.sweeps.stop();
  }

  private async sweep(): Promise<void> {
    const lost = await this.database.manager.query<LostCall[]>(LOST, [this.lease.id, this.lease.mayJudge]);
    const closed = await Promise.all(
      lost.map(async ({ is_ours, started_at, ...row }) => {
        const facts = { ...row, started_at: started_at.toISOString() };
        if (!is_ours) return this.ledger.closeLost(facts, 'unknown', 'process_lost');
        // Its caller was told that it was not made, and so it was.
        if (this.ledger.isUnderWay(facts.id)) return false;
        return this.ledger.closeLost({ ...facts, bytes_sent: 0 }, 'denied', 'ledger_unavailable');
      }),
    );
    const count = closed.filter(Boolean).length;
    if (count > 0) this.logger.warn({ calls: count }, 'calls that were left open were closed');
  }
}
