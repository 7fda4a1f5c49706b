import pg from 'pg';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { toDomainError } from '../http/error.filter.js';
import { dataSourceOptions } from './data-source.js';
import { limitSilence } from './silence-limit.js';

const LIMIT_MS = 400;

describe('a database that does not answer', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let lockHolder: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    lockHolder = new pg.Client(database.url);
    await lockHolder.connect();
    await lockHolder.query('CREATE TABLE waited_for (id int)');
    dataSource = await new DataSource({
      ...dataSourceOptions(database.url, []),
      poolSize: 1,
      extra: { onConnect: limitSilence(LIMIT_MS) },
    }).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await lockHolder.end();
    await database.drop();
  });

  const backend = async (): Promise<number> => {
    const [row]: { pid: number }[] = await dataSource.query('SELECT pg_backend_pid() AS pid');
    return row?.pid ?? 0;
  };
  const expectUnavailable = (thrown: unknown): void => {
    const { code, retryAfterSeconds } = toDomainError(thrown);
    expect([code, retryAfterSeconds]).toEqual(['unavailable', expect.any(Number)]);
  };
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'nothing was thrown',
      (error: unknown) => error,
    );

  it('is unavailable after the limit, and the pool goes on with a new connection', async () => {
    const before = await backend();
    const began = performance.now();

    expectUnavailable(await failure(dataSource.query('SELECT pg_sleep(5)')));

    expect(performance.now() - began).toBeGreaterThan(LIMIT_MS - 50);
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(await backend()).not.toBe(before);
  });

  it('ends a transaction in the middle, which leaves nothing behind and holds nothing up', async () => {
    await lockHolder.query('BEGIN');
    await lockHolder.query('LOCK TABLE waited_for IN ACCESS EXCLUSIVE MODE');
    const began = performance.now();

    const stuck = dataSource.transaction(async (manager) => {
      await manager.query('CREATE TABLE half_done (id int)');
      await manager.query('INSERT INTO waited_for VALUES (1)');
    });
    expectUnavailable(await failure(stuck));

    expect(performance.now() - began).toBeLessThan(2_500);
    await lockHolder.query('COMMIT');
    const rows: unknown[] = await dataSource.query("SELECT 1 WHERE to_regclass('half_done') IS NOT NULL");
    expect(rows).toEqual([]);
  });

  it('is unavailable, and no fault of ours, to a transaction whose connection is lost between two statements', async () => {
    const cut = dataSource.transaction(async (manager) => {
      const [row]: { pid: number }[] = await manager.query('SELECT pg_backend_pid() AS pid');
      await lockHolder.query('SELECT pg_terminate_backend($1, 5000)', [row?.pid]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await manager.query('SELECT 1');
    });

    expectUnavailable(await failure(cut));
  });

  it('may take its time as long as it says something', async () => {
    const rows: unknown[] = await dataSource.query(
      'SELECT pg_sleep(0.1), repeat($1, 100000) FROM generate_series(1, 9)',
      ['x'],
    );
    expect(rows).toHaveLength(9);
  });
});
