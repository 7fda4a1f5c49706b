import { Client } from 'pg';
import { createTestDatabase } from './postgres.js';

async function query<T extends object>(url: string, text: string): Promise<T[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

describe('a test database', () => {
  it('is one of its own for each call, and UTF-8', async () => {
    const [first, second] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    await query(first.url, 'CREATE TABLE only_here (id int)');

    const tables = await query(second.url, "SELECT 1 FROM pg_tables WHERE tablename = 'only_here'");
    const [encoding] = await query<{ server_encoding: string }>(second.url, 'SHOW server_encoding');

    expect(tables).toEqual([]);
    expect(encoding?.server_encoding).toBe('UTF8');
    await Promise.all([first.drop(), second.drop()]);
  });

  it('is gone after drop, even while a connection is open', async () => {
    const database = await createTestDatabase();
    const client = new Client(database.url);
    client.on('error', () => undefined);
    await client.connect();

    await database.drop();

    await expect(query(database.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
    await client.end();
  });
});
