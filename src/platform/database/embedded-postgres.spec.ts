import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';

// What happens when processes are killed stands in test/faults.
describe('the embedded PostgreSQL', () => {
  let root: string;
  let folder: string;
  let server: EmbeddedPostgres;
  let client: Client;

  function start(where = folder): Promise<EmbeddedPostgres> {
    return startEmbeddedPostgres({ folder: where, log: () => undefined, settings: { fsync: 'off', work_mem: '5MB' } });
  }

  async function setting(name: string): Promise<string | undefined> {
    const { rows } = await client.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
    return rows[0]?.value;
  }

  async function asSuperuser(where: string, statement: string): Promise<void> {
    const [password, port] = await Promise.all(
      ['password', 'port'].map((name) => readFile(path.join(where, name), 'utf8')),
    );
    const superuser = new Client(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`);
    await superuser.connect();
    await superuser.query(statement);
    await superuser.end();
  }

  beforeAll(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'embedded-postgres-'));
    // A name that a shell or a configuration file could misread.
    folder = path.join(root, "da ta's $HOME");
    server = await start();
    client = new Client(server.adminUrl);
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  });

  it('speaks UTF-8 with the same order on every platform', async () => {
    const { rows } = await client.query(
      'SELECT datlocprovider AS provider, datlocale AS locale, pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = current_database()',
    );

    expect(rows).toEqual([{ provider: 'b', locale: 'C.UTF-8', encoding: 'UTF8' }]);
  });

  it('listens on loopback alone, and keeps its password in a file that only its owner reads', async () => {
    const [, , , , sockets, addresses] = (await readFile(path.join(folder, 'data', 'postmaster.pid'), 'utf8')).split(
      '\n',
    );
    expect([sockets, addresses]).toEqual(['', '127.0.0.1']);
    const { mode } = await stat(path.join(folder, 'password'));
    expect(mode & 0o777).toBe(process.platform === 'win32' ? 0o666 : 0o600);
  });

  it('lets nobody in without the password, nor the product as the owner with its own', async () => {
    const { password } = new URL(server.url);
    for (const [url, guess] of [
      [server.url, 'guess'],
      [server.adminUrl, 'guess'],
      [server.adminUrl, password],
    ] as const) {
      const stranger = new Client(Object.assign(new URL(url), { password: guess }).toString());
      await expect(stranger.connect()).rejects.toMatchObject({ code: '28P01' });
    }
  });

  it('has an owner of the database, who may create others and is no superuser', async () => {
    const { rows } = await client.query(
      'SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user',
    );
    await client.query('CREATE TABLE own (id int)');

    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: true, rolcreaterole: false, rolbypassrls: false }]);
  });

  it('gives the product a role in the same database that owns nothing and may create nothing', async () => {
    const product = new Client(server.url);
    await product.connect();
    const { rows } = await product.query(
      `SELECT current_database() AS database, rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication AS may,
              (SELECT count(*)::int FROM pg_shdepend WHERE refobjid = r.oid AND deptype = 'o') AS owns,
              (SELECT count(*)::int FROM pg_auth_members WHERE member = r.oid) AS belongs
         FROM pg_roles r WHERE rolname = current_user`,
    );
    await expect(product.query('CREATE TABLE own (id int)')).rejects.toMatchObject({ code: '42501' });
    await expect(product.query('CREATE SCHEMA own')).rejects.toMatchObject({ code: '42501' });
    await expect(product.query('CREATE DATABASE own')).rejects.toMatchObject({ code: '42501' });
    await product.end();

    expect(rows).toEqual([{ database: 'control_plane', may: false, owns: 0, belongs: 0 }]);
  });

  it('takes settings of the caller over its own', async () => {
    expect(await setting('work_mem')).toBe('5MB');
    expect(await setting('fsync')).toBe('off');
  });

  it('writes no values of rows into its log', async () => {
    await client.query("CREATE TABLE secrets (word text UNIQUE); INSERT INTO secrets VALUES ('open-sesame')");
    await expect(client.query("INSERT INTO secrets VALUES ('open-sesame')")).rejects.toMatchObject({ code: '23505' });

    const log = await readFile(path.join(folder, 'postgres.log'), 'utf8');
    expect(log).toContain('duplicate key value');
    expect(log).not.toContain('open-sesame');
  });

  it('is shared by all who start it in one folder, until the last one stops it', async () => {
    const second = await start();

    expect([second.url, second.adminUrl, second.pid()]).toEqual([server.url, server.adminUrl, server.pid()]);
    await second.stop();
    await second.stop();
    await expect(client.query('SELECT 1')).resolves.toBeDefined();
  });

  it('has everything again after a stop, on the same port, and the role of the product where it was missing', async () => {
    const other = path.join(root, 'other');
    const first = await start(other);
    const writer = new Client(first.adminUrl);
    await writer.connect();
    await writer.query('CREATE TABLE kept AS SELECT 7 AS seven');
    await writer.end();
    await asSuperuser(other, 'DROP ROLE control_plane_app');
    await first.stop();
    expect((await readdir(other)).sort()).toEqual(['data', 'password', 'port', 'postgres.log']);

    const again = await start(other);
    const reader = new Client(again.adminUrl);
    await reader.connect();
    const { rows } = await reader.query('SELECT seven FROM kept');
    await reader.end();
    const product = new Client(again.url);
    await product.connect();
    await product.end();
    await again.stop();

    expect(rows).toEqual([{ seven: 7 }]);
    expect(again.url).toBe(first.url);
    await rename(path.join(other, 'password'), path.join(other, 'password.away'));
    await expect(start(other)).rejects.toThrow(/password is missing: restore it/);
    await rename(path.join(other, 'password.away'), path.join(other, 'password'));
    await writeFile(path.join(other, 'data', 'PG_VERSION'), '14\n');
    await expect(start(other)).rejects.toThrow(/made by PostgreSQL 14.*DATABASE_URL/);
  });

  it('does not touch a folder that holds something else', async () => {
    const taken = path.join(root, 'taken');
    await mkdir(path.join(taken, 'data'), { recursive: true });

    await expect(start(taken)).rejects.toThrow(/holds no PostgreSQL data.*DATA_DIR/);
  });

  it('asks for DATABASE_URL where there are no binaries', async () => {
    const real = Object.getOwnPropertyDescriptor(process, 'arch') ?? {};
    Object.defineProperty(process, 'arch', { ...real, value: 'ia32' });

    await expect(start(path.join(root, 'nothing'))).rejects.toThrow(
      /no embedded PostgreSQL for \w+-ia32: set DATABASE_URL/,
    );
    Object.defineProperty(process, 'arch', real);
  });
});
