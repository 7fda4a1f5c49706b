// On the built product: the migrations make exactly the schema of the entities, and each has its way back.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DataSource } from 'typeorm';
import { startEmbeddedPostgres } from '../dist/src/platform/database/embedded-postgres.js';

/** All that a migration can make, as PostgreSQL describes it; TypeORM's own table is not part of it. */
const SCHEMA = `
  SELECT format('column %s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN 'not null' END, a.attidentity, pg_get_expr(d.adbin, d.adrelid)) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> 'migrations'
  UNION ALL
  SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> to_regclass('public.migrations')
  UNION ALL
  SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'migrations'
  UNION ALL
  SELECT format('sequence %s', sequencename) FROM pg_sequences
   WHERE schemaname = 'public' AND sequencename <> 'migrations_id_seq'
  UNION ALL
  SELECT format('function %s', pg_get_functiondef(oid)) FROM pg_proc
   WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
  UNION ALL
  SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL
  SELECT format('type %s', t.typname) FROM pg_type t
   WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd')
  ORDER BY 1`;

const folder = await mkdtemp(path.join(os.tmpdir(), 'migrations-check-'));
const server = await startEmbeddedPostgres({ folder, log: () => undefined, settings: { fsync: 'off' } });
try {
  process.env.DATABASE_URL = server.adminUrl;
  const { default: configured } = await import('../dist/ormconfig.js');
  await withMigrations(configured, undefined, async (all) => {
    const classes = all.migrations.map((migration) => migration.constructor);
    if (classes.length === 0) throw new Error('there are no migrations in dist/migrations');
    const schemas = [await schemaOf(all)];
    for (const count of classes.keys()) {
      await withMigrations(configured, classes.slice(0, count + 1), (some) =>
        some.runMigrations({ transaction: 'each' }),
      );
      schemas.push(await schemaOf(all));
    }
    console.log(`${classes.length} migration(s) applied to an empty database: ${schemas.at(-1).length} parts`);
    for (const count of [...classes.keys()].reverse()) {
      await all.undoLastMigration({ transaction: 'each' });
      expectSame(await schemaOf(all), schemas[count], `${classes[count].name} taken back`);
    }
    await all.runMigrations({ transaction: 'each' });
    expectSame(await schemaOf(all), schemas.at(-1), 'all applied again');
  });
  run('node', ['dist/src/migrate.js']);
  run('npx', ['typeorm', 'migration:generate', '--check', '-d', 'dist/ormconfig.js', 'migrations/Difference']);
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function withMigrations(configured, migrations, work) {
  const options = { ...configured.options, logger: 'debug', entities: [], ...(migrations && { migrations }) };
  const dataSource = await new DataSource(options).initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

async function schemaOf(dataSource) {
  return (await dataSource.query(SCHEMA)).map(({ line }) => line);
}

function expectSame(found, expected, title) {
  const more = found.filter((line) => !expected.includes(line)).map((line) => `+ ${line}`);
  const less = expected.filter((line) => !found.includes(line)).map((line) => `- ${line}`);
  if (more.length + less.length > 0) throw new Error(`${title} left a difference:\n${[...more, ...less].join('\n')}`);
  console.log(`${title}: as before`);
}

function run(program, parameters) {
  const { status } = spawnSync(program, parameters, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} ended in ${status}`);
}
