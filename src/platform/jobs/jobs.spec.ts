import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { EventsOptions } from '../events/events.service.js';
import { JobsService } from './jobs.service.js';

const LOCK_SPACE = 7_203;

describe('jobs', () => {
  let database: TestDatabase;
  let client: pg.Client;
  let jobs: JobsService;
  const ran: string[] = [];

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    client = new pg.Client(database.url);
    await client.connect();
    jobs = new JobsService(new EventsOptions(database.url));
    jobs.handle('note', async ({ name }) => void ran.push(String(name)));
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

  it('has one handler for each name', () => {
    expect(() => jobs.handle('note', async () => undefined)).toThrow('two handlers');
  });
});
