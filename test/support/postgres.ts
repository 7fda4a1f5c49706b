import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/platform/database/data-source.js';
import { runMigrations } from '../../src/platform/database/migrations.js';
import { asAdmin, dropDatabase } from './postgres-admin.js';
import type { PostgresRun } from './postgres-run.js';

/** A migrated database of its own for one test file, or one test. */
export interface TestDatabase {
  /** Of its owner. */
  url: string;
  /** Of the restricted role that the product runs as. */
  productUrl: string;
  /** Ends the connections that are left and removes the database. */
  drop(): Promise<void>;
}

const TEMPLATE_LOCK = 7_305_188_127;

/**
 * Clones the migrated template, in some 50 ms. The first call of a test run migrates it, and shows what a migration
 * throws. What is not dropped goes at the end of the run.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { adminUrl, productUrl, prefix } = testRun();
  const name = `${prefix}_${randomBytes(5).toString('hex')}`;
  await asAdmin(adminUrl, async (admin) => {
    const template = await ensureTemplate(admin, { adminUrl, productUrl, prefix });
    await admin.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  });
  return {
    url: urlOf(adminUrl, name),
    productUrl: urlOf(productUrl, name),
    drop: () => asAdmin(adminUrl, (admin) => dropDatabase(admin, name)),
  };
}

type TestRun = Omit<PostgresRun, 'end'>;

function testRun(): TestRun {
  const {
    TEST_POSTGRES_URL: adminUrl,
    TEST_POSTGRES_PRODUCT_URL: productUrl,
    TEST_POSTGRES_PREFIX: prefix,
  } = process.env;
  if (!adminUrl || !productUrl || !prefix) throw new Error('test/support/jest-global-setup.ts did not run');
  return { adminUrl, productUrl, prefix };
}

/** Workers arrive at once: one migrates, the others wait. A closed template counts as complete; rights are part of it. */
async function ensureTemplate(admin: Client, { adminUrl, productUrl, prefix }: TestRun): Promise<string> {
  const template = `${prefix}_template`;
  if (await isComplete(admin, template)) return template;
  await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    if (await isComplete(admin, template)) return template;
    await dropDatabase(admin, template);
    await admin.query(`CREATE DATABASE "${template}" TEMPLATE template0 ENCODING 'UTF8'`);
    await runMigrations(new DataSource(dataSourceOptions(urlOf(adminUrl, template), [])), {
      productRole: new URL(productUrl).username,
    });
    await admin.query(`ALTER DATABASE "${template}" ALLOW_CONNECTIONS false`);
  } finally {
    await admin.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
  return template;
}

async function isComplete(admin: Client, template: string): Promise<boolean> {
  const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1 AND NOT datallowconn', [
    template,
  ]);
  return rowCount === 1;
}

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.toString();
}
