import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { EventsOptions } from '../events/events.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import { JobsService } from './jobs.service.js';

const LOCK_SPACE = 7_203;

describe('jobs', () => {
  let database: TestDatabase;
  let client: pg.Client;
  let jobs: JobsService;
  const metrics = new MetricsService();
  const ran: string[] = [];

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    client = new pg.Client(database.url);
    await client.connect();
    jobs = new JobsService(new EventsOptions(database.url), metrics);
    jobs.handle('note', async ({ name }) => void ran.push(String(name)));
    jobs.handle('fail', () => Promise.reject(new Error('as asked')));
  });
  afterAll(async () => {
    await jobs.onApplicationShutdown();
    await client.end();
    await database.drop();
  });

  const enqueue = (name: string): Promise<unknown> =>
    client.query("SELECT graphile_worker.add_job('note', $1::json, queue_name => $2)", [
      JSON.stringify({ name }),
      name,
    ]);
  /** What a worker leaves that was killed while it ran the job. */
  const lockedBy = async (name: string, worker: string): Promise<void> => {
    await client.query(
      `UPDATE graphile_worker._private_jobs SET locked_by = $2, locked_at = now() - interval '10 s' WHERE payload->>'name' = $1`,
      [name, worker],
    );
    await client.query(
      `UPDATE graphile_worker._private_job_queues SET locked_by = $2, locked_at = now() - interval '10 s' WHERE queue_name = $1`,
      [name, worker],
    );
  };

  it('frees what a dead worker held, at once and not after hours, and nothing of a living one', async () => {
    for (const name of ['orphan', 'held']) await enqueue(name);
    await lockedBy('orphan', 'worker-that-was-killed');
    await lockedBy('held', 'worker-that-is-paused');
    await client.query('SELECT pg_advisory_lock($1, hashtext($2))', [LOCK_SPACE, 'worker-that-is-paused']);
    jobs.onApplicationBootstrap();
    for (let tries = 0; ran.length === 0 && tries < 500; tries++) await sleep(20);
    expect(ran).toEqual(['orphan']);
    await enqueue('later');
    for (let tries = 0; ran.length === 1 && tries < 500; tries++) await sleep(20);
    expect(ran).toEqual(['orphan', 'later']);
    const { rows } = await client.query(
      "SELECT locked_by FROM graphile_worker._private_jobs WHERE payload->>'name' = 'held'",
    );
    expect(rows).toEqual([{ locked_by: 'worker-that-is-paused' }]);
  });

  it('counts what was done, what comes again and what was given up', async () => {
    const counted = async (): Promise<string[]> => {
      const text = await metrics.registry.getSingleMetricAsString('jobs_total');
      return text.split('\n').filter((line) => /^jobs_total.* [1-9]\d*$/.test(line));
    };
    await client.query("SELECT graphile_worker.add_job('fail', '{}'::json, max_attempts => 1)");
    await client.query("SELECT graphile_worker.add_job('fail', '{}'::json, max_attempts => 2)");
    for (let tries = 0; (await counted()).length < 3 && tries < 500; tries++) await sleep(20);
    expect(await counted()).toEqual([
      `jobs_total{task="note",outcome="ok"} ${ran.length}`,
      'jobs_total{task="fail",outcome="retry"} 1',
      'jobs_total{task="fail",outcome="given_up"} 1',
    ]);
  });

  it('has one handler for each name', () => {
    expect(() => jobs.handle('note', async () => undefined)).toThrow('two handlers');
  });
});
