import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { assertSupportedServer, dataSourceOptions } from './data-source.js';
import { runMigrations } from './migrations.js';

class First1700000000001 implements MigrationInterface {
  async up(session: QueryRunner): Promise<void> {
    await session.query('CREATE TABLE first (id int)');
    await session.query('SELECT pg_sleep(0.2)');
  }
  async down(): Promise<void> {}
}

class Second1700000000002 implements MigrationInterface {
  async up(session: QueryRunner): Promise<void> {
    await session.query('CREATE TABLE second (id int)');
  }
  async down(): Promise<void> {}
}

class Broken1700000000003 implements MigrationInterface {
  async up(session: QueryRunner): Promise<void> {
    await session.query('CREATE TABLE third (id int)');
    await session.query('SELECT 1 / 0');
  }
  async down(): Promise<void> {}
}

describe('migrations', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeEach(async () => {
    database = await createTestDatabase();
    dataSource = new DataSource(dataSourceOptions(database.url, []));
  });

  afterEach(async () => {
    if (dataSource.isInitialized) await dataSource.destroy();
    await database.drop();
  });

  async function tables(): Promise<string[]> {
    if (!dataSource.isInitialized) await dataSource.initialize();
    const rows: { name: string }[] = await dataSource.query(
      "SELECT tablename AS name FROM pg_tables WHERE tablename IN ('first', 'second', 'third') ORDER BY 1",
    );
    return rows.map(({ name }) => name);
  }

  it('are applied once, by one of the processes that start at the same moment', async () => {
    const both = [First1700000000001, Second1700000000002];

    const applied = await Promise.all(Array.from({ length: 4 }, () => runMigrations(dataSource, { migrations: both })));

    expect(applied.flat().sort()).toEqual(['First1700000000001', 'Second1700000000002']);
    expect(await tables()).toEqual(['first', 'second']);
    await expect(runMigrations(dataSource, { migrations: both })).resolves.toEqual([]);
  });

  it('that fail leave those before them applied and nothing of themselves, and free the lock', async () => {
    await expect(runMigrations(dataSource, { migrations: [First1700000000001, Broken1700000000003] })).rejects.toThrow(
      /division by zero/,
    );
    expect(await tables()).toEqual(['first']);

    await expect(runMigrations(dataSource, { migrations: [First1700000000001, Second1700000000002] })).resolves.toEqual(
      ['Second1700000000002'],
    );
  });

  it('are taken up by the next process when the one that applies them is cut off', async () => {
    const cut = runMigrations(dataSource, { migrations: [First1700000000001] });
    cut.catch(() => undefined);
    await dataSource.initialize();
    const next = runMigrations(dataSource, { migrations: [First1700000000001] });
    const holders =
      "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted AND datname = current_database()";
    let [holder] = [] as { pid: number }[];
    while (!holder) [holder] = await dataSource.query<{ pid: number }[]>(holders);

    await dataSource.query('SELECT pg_terminate_backend($1)', [holder.pid]);

    const outcomes = await Promise.allSettled([cut, next]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await tables()).toEqual(['first']);
  });
});

describe('the check of the server', () => {
  it('accepts the one of the tests and names an older one', async () => {
    const database = await createTestDatabase();
    const dataSource = await new DataSource(dataSourceOptions(database.url, [])).initialize();
    await expect(assertSupportedServer(dataSource)).resolves.toBeUndefined();

    jest.spyOn(dataSource, 'query').mockResolvedValue([{ number: '140012', version: '14.12' }]);
    await expect(assertSupportedServer(dataSource)).rejects.toThrow('PostgreSQL 14.12: 15 or newer is needed');

    await dataSource.destroy();
    await database.drop();
  });
});
