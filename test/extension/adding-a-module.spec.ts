import type { Product } from '../support/product.js';
import { ProductCopy } from './product-copy.js';

// What CONTRIBUTING.md promises: a folder, a line in modules/index.ts, a migration, and nothing else.
describe('adding a module', () => {
  let copy: ProductCopy;
  let product: Product;
  beforeAll(async () => {
    copy = new ProductCopy();
    copy.add('test/extension/notes', 'src/modules/notes', { 'migration.ts': 'migrations/9000000000000-Notes.ts' });
    copy.edit(
      'src/modules/index.ts',
      (text) =>
        `import { NotesModule } from './notes/notes.module.js';\n${text.replace(/,?\s*\];\s*$/, ', NotesModule];\n')}`,
    );
    product = await copy.start();
  }, 180_000);
  afterAll(() => copy.remove(), 60_000);

  it('takes a folder, a line and a migration, and it has rights, paging, errors, audit trail and documentation like all others', async () => {
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
