import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { Environment } from '../../platform/config/environment.js';
import { EventsOptions } from '../../platform/events/events.service.js';
import { RetirementService } from '../audit/retirement.service.js';
import { CallsTrail } from './calls-trail.js';

const EVERY_MS = 6 * 3_600_000;
const RETRY_MS = 60_000;
/** Months that are made beforehand, so that a day without maintenance is no harm. */
const MONTHS_AHEAD = 2;
const DAY_MS = 86_400_000;
/** Any number that nothing else locks. */
const LOCK = 7_305_188_204;
/** A lock that is not had at once holds up every call behind it. */
const LOCK_TIMEOUT = '2s';

interface Partition {
  name: string;
  /** Null for the default one. */
  until: Date | null;
}

const PARTITIONS = `
  SELECT c.relname AS name,
         (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz AS until
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'calls'::regclass ORDER BY 1`;
const STRAY_MONTHS = `
  SELECT DISTINCT to_char(date_trunc('month', closed_at AT TIME ZONE 'UTC'), 'YYYY-MM') AS month FROM calls_default`;

/**
 * Months of the ledger are partitions: made ahead, and removed whole when they are too old. Works as the owner of the tables,
 * as the role of the running product may not drop or change them; one replica at a time.
 */
@Injectable()
export class LedgerMonthsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('ledger');
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly options: EventsOptions,
    private readonly environment: Environment,
    private readonly trail: CallsTrail,
    private readonly retirement: RetirementService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.working;
  }

  /** Makes what is missing and removes what is too old; safe at any time, on any replica. */
  async maintain(now = new Date()): Promise<void> {
    const client = new pg.Client({ connectionString: this.options.listenUrl, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [LOCK]);
      if (!rows[0]?.locked) return;
      await this.sortStray(client);
      for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead++)
        await this.ensure(client, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)));
      await this.retire(client, new Date(now.getTime() - this.environment.LEDGER_RETENTION_DAYS * DAY_MS));
    } finally {
      await client.end();
    }
  }

  private async run(): Promise<void> {
    let pause = EVERY_MS;
    try {
      await this.maintain();
    } catch (error) {
      pause = RETRY_MS;
      this.logger.warn({ err: error }, 'the months of the ledger could not be looked after, trying again');
    }
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.working = this.run();
    }, pause).unref();
  }

  /**
   * Attached when it is complete, which locks less than making it in place. What the default partition caught of the month
   * comes along, in the same transaction: whenever this is killed, no row is out of the ledger.
   */
  private async ensure(client: pg.Client, month: Date): Promise<void> {
    const name = nameOf(month);
    if ((await partitions(client)).some((partition) => partition.name === name)) return;
    const from = month.toISOString();
    const until = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1)).toISOString();
    await inTransaction(client, async () => {
      await client.query(`CREATE TABLE ${name} (LIKE calls INCLUDING DEFAULTS INCLUDING STATISTICS)`);
      await client.query('ALTER TABLE calls_default DISABLE TRIGGER calls_append_only');
      await client.query(
        `WITH moved AS (DELETE FROM calls_default WHERE closed_at >= $1 AND closed_at < $2 RETURNING *)
         INSERT INTO ${name} SELECT * FROM moved`,
        [from, until],
      );
      await client.query('ALTER TABLE calls_default ENABLE TRIGGER calls_append_only');
      await client.query(`ALTER TABLE calls ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${until}')`);
      await guard(client, name);
    });
  }

  /** The clock was wrong, or nobody looked after the ledger for months: what the default partition caught gets its months. */
  private async sortStray(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ month: string }>(STRAY_MONTHS);
    if (rows.length === 0) return;
    for (const { month } of rows) await this.ensure(client, new Date(`${month}-01T00:00:00Z`));
    this.logger.warn({ months: rows.map(({ month }) => month) }, 'calls outside the months that were there got theirs');
  }

  /** Whole months, with a signed head for what their links lead to: the chain verifies over the gap. */
  private async retire(client: pg.Client, before: Date): Promise<void> {
    for (const { name, until } of await partitions(client)) {
      if (until === null || until > before) continue;
      await inTransaction(client, async () => {
        await client.query(`LOCK TABLE ${name} IN SHARE MODE`);
        if (await this.retirement.bridge(client, this.trail, name, before)) {
          await client.query(`DROP TABLE ${name}`);
          this.logger.log({ partition: name }, 'a month older than LEDGER_RETENTION_DAYS is removed from the ledger');
        } else
          this.logger.error(
            { partition: name },
            'a month of the ledger is not what was written, or holds calls that are younger: it stays, as evidence. See audit/verify/',
          );
      });
    }
  }
}

function nameOf(month: Date): string {
  return `calls_${month.toISOString().slice(0, 7).replace('-', '_')}`;
}

async function partitions(client: pg.Client): Promise<Partition[]> {
  return (await client.query<Partition>(PARTITIONS)).rows;
}

/** Triggers on rows come with the table it belongs to; one against TRUNCATE does not. */
async function guard(client: pg.Client, name: string): Promise<void> {
  await client.query(
    `CREATE TRIGGER ${name}_no_truncate BEFORE TRUNCATE ON ${name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
  );
}

async function inTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN');
  try {
    await work();
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
