import { DataSource, type EntityManager } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { dataSourceOptions } from './data-source.js';
import { forgetPlans } from './plans.js';

const MANY = 1_000;

describe('rows that refer to many new ones', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await new DataSource({ ...dataSourceOptions(database.url, []), poolSize: 1 }).initialize();
    for (const statement of [
      "CREATE TABLE parents (id int PRIMARY KEY, name text DEFAULT repeat('x', 200))",
      'CREATE TABLE children (parent_id int REFERENCES parents)',
      'INSERT INTO parents VALUES (0)',
      'ANALYZE parents',
      'INSERT INTO children SELECT 0 FROM generate_series(1, 20)',
    ])
      await dataSource.query(statement);
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const readWhole = async (manager: EntityManager): Promise<number> => {
    const [row] = await manager.query<{ count: number }[]>(
      "SELECT seq_scan::int AS count FROM pg_stat_xact_user_tables WHERE relname = 'parents'",
    );
    return row?.count ?? NaN;
  };
  /** How many times the table was read from its beginning to find one row in it. */
  async function wholeReads(prepare: (manager: EntityManager) => Promise<void>): Promise<number> {
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    try {
      await runner.query('INSERT INTO parents SELECT generate_series(1, $1::int)', [MANY]);
      await prepare(runner.manager);
      const before = await readWhole(runner.manager);
      await runner.query('INSERT INTO children SELECT generate_series(1, $1::int)', [MANY]);
      return (await readWhole(runner.manager)) - before;
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  }

  it('are checked by a plan from when there were few, unless plans are forgotten', async () => {
    expect(await wholeReads(async () => undefined)).toBe(MANY);
    expect(await wholeReads(forgetPlans)).toBe(0);
  });
});
