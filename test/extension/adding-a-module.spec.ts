import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Product } from '../support/product.js';

const SAMPLE = 'test/extension/notes';

// What CONTRIBUTING.md promises: a folder, a line in modules/index.ts, a migration, and nothing else.
describe('adding a module', () => {
  let copy: string;
  let product: Product | null = null;
  beforeAll(async () => {
    copy = mkdtempSync(join(tmpdir(), 'mcp-control-plane-module-'));
    for (const name of [
      'src',
      'migrations',
      'ormconfig.ts',
      'package.json',
      'nest-cli.json',
      'tsconfig.json',
      'tsconfig.build.json',
    ]) {
      cpSync(name, join(copy, name), { recursive: true });
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
    mkdirSync(join(copy, 'src/modules/notes'));
    for (const name of readdirSync(SAMPLE)) {
      const text = readFileSync(join(SAMPLE, name), 'utf8')
        .replaceAll('../../../src/modules/', '../')
        .replaceAll('../../../src/', '../../');
      writeFileSync(
        join(copy, name === 'migration.ts' ? 'migrations/9000000000000-Notes.ts' : join('src/modules/notes', name)),
        text,
      );
    }
    const list = join(copy, 'src/modules/index.ts');
    const text = readFileSync(list, 'utf8');
    writeFileSync(
      list,
      `import { NotesModule } from './notes/notes.module.js';\n${text.replace(/,?\s*\];\s*$/, ', NotesModule];\n')}`,
    );
    await promisify(execFile)(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'build'], { cwd: copy });
    product = await Product.start(join(copy, 'data'), {}, copy);
  }, 180_000);
  afterAll(async () => {
    await product?.end('SIGTERM');
    rmSync(copy, { recursive: true, force: true });
  }, 60_000);

  it('takes a folder, a line and a migration, and it has rights, paging, errors, audit trail and documentation like all others', async () => {
    if (!product) throw new Error('not started');
    const { client } = product;
    const organization = (await client.get('/api/v1/auth/me')).body.organizations[0].id as string;
    const connection = await client.post('/api/v1/mcp/connections/', {
      server: 3,
      organization,
      connection_name: 'Anything',
      auth_data: { base_url: 'https://mcp.example.com/mcp' },
    });
    const notes = `/api/v1/mcp/connections/${connection.body.id}/notes/`;
    const written = await client.post(notes, { text: 'Ask Jane' });
    expect([written.status, written.body]).toEqual([201, { id: expect.any(String), text: 'Ask Jane' }]);
    const list = await client.get(notes);
    expect([list.body, list.headers.get('x-total-count')]).toEqual([[written.body], '1']);
    const trail = await client.get('/api/v1/mcp/audit/?action=note.created');
    expect(trail.body).toMatchObject([{ object: { type: 'note', id: written.body.id }, after: written.body }]);
    expect((await client.withToken('wrong').get(notes)).status).toBe(401);
    expect((await client.post(notes, { text: '', surprise: 1 })).body.details.fields).toHaveProperty('surprise');
    expect((await client.get('/api/v1/mcp/connections/no-id/notes/')).status).toBe(404);
    expect((await client.get('/docs-json')).body.paths).toHaveProperty('/api/v1/mcp/connections/{id}/notes');
  });
});
