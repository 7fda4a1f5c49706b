import { Client } from 'pg';

/** Works on a connection of its own as an account that may create databases. */
export async function asAdmin(adminUrl: string, work: (admin: Client) => Promise<void>): Promise<void> {
  const admin = new Client(adminUrl);
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/**
 * Ends the clients of a database and removes it. `WITH (FORCE)` would refuse whenever autovacuum is at work in it: only
 * superusers may end that process, while a plain DROP makes it go and waits 5 s for it.
 */
export async function dropDatabase(admin: Client, name: string): Promise<void> {
  await admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
    [name],
  );
  await admin.query(`DROP DATABASE IF EXISTS "${name}"`);
}
