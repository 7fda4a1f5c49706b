import { BeforeApplicationShutdown, Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { Database } from '../../platform/database/transaction.js';
import { EgressClient } from '../../platform/egress/egress-client.js';
import { EgressError } from '../../platform/egress/egress-error.js';
import { JobsService } from '../../platform/jobs/jobs.service.js';
import { secretPlace } from './webhooks.service.js';
import { enqueueDelivery, MAPPING_DELIVERY_JOB } from './outbox.js';
import { signedHeaders } from './webhook-signature.js';

/** Seconds before each further attempt, give or take a fifth; about a day in all. */
const PAUSES = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 36_000];
const PATIENCE_MS = 15_000;
/** Standard Webhooks, HTTP status: the receiver does not want it any more. */
const GONE = 410;

interface DueDelivery {
  id: string;
  payload: string;
  attempts: number;
  mapping_id: number;
  organization_id: string;
  url: string;
  sealed_secret: string;
}

interface Attempt {
  status: number | null;
  error: string | null;
}

/** Takes deliveries to their webhooks: at least once each, tried again for a day. */
@Injectable()
export class DeliveryRunnerService implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('mappings');
  private readonly stopping = new AbortController();

  constructor(
    private readonly jobs: JobsService,
    private readonly database: Database,
    private readonly keys: KeyRing,
    private readonly egress: EgressClient,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(MAPPING_DELIVERY_JOB, ({ delivery_id: id }) => this.deliver(String(id)), 'outgoing');
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  private async deliver(id: string): Promise<void> {
    const [due] = await this.database.manager.query<DueDelivery[]>(
      `SELECT d.id, d.payload::text AS payload, d.attempts, d.mapping_id, w.organization_id, w.url, w.sealed_secret
         FROM mapping_deliveries d JOIN mapping_webhooks w ON w.mapping_id = d.mapping_id
        WHERE d.id = $1 AND d.status = 'pending'`,
      [id],
    );
    if (!due) return;
    const attempt = await this.attempt(due);
    if (this.stopping.signal.aborted && attempt.status === null) throw new Error('stopped while delivering');
    const isDelivered = attempt.status !== null && attempt.status >= 200 && attempt.status < 300;
    const pause = attempt.status === GONE ? undefined : PAUSES[due.attempts];
    const status = isDelivered ? 'delivered' : pause === undefined ? 'dead' : 'pending';
    await this.database.transaction(async (transaction) => {
      await transaction.manager.query(
        `UPDATE mapping_deliveries SET status = $2, attempts = attempts + 1, last_status = $3, last_error = $4,
                delivered_at = CASE WHEN $2 = 'delivered' THEN now() END
          WHERE id = $1 AND status = 'pending'`,
        [id, status, attempt.status, attempt.error],
      );
      if (status !== 'pending' || pause === undefined) return;
      const runAt = new Date(Date.now() + pause * 1_000 * (0.8 + 0.4 * Math.random()));
      const { organization_id: organizationId, mapping_id: mappingId } = due;
      await enqueueDelivery(transaction, { id, organizationId, mappingId }, runAt);
    });
    if (status === 'dead') this.logger.warn({ delivery: id, ...attempt }, 'a delivery was given up');
  }

  private async attempt({ id, payload, url, sealed_secret: sealed, ...place }: DueDelivery): Promise<Attempt> {
    try {
      const secret = this.keys.open(sealed, secretPlace(place.organization_id, place.mapping_id));
      const headers = signedHeaders(secret, id, Math.floor(Date.now() / 1_000), payload);
      const answer = await this.egress.fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: payload,
        redirect: 'manual',
        signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(PATIENCE_MS)]),
        maxBytes: 65_536,
      });
      answer.takeStream()?.destroy();
      return { status: answer.status, error: answer.ok ? null : `answered ${answer.status}` };
    } catch (error) {
      const isKnown = error instanceof EgressError;
      if (!isKnown) this.logger.error({ err: error, delivery: id }, 'a delivery failed');
      return { status: null, error: isKnown ? error.message : 'Something unexpected happened' };
    }
  }
}
