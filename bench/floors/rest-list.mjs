// Floor of a REST list: bare Fastify and pg, the queries of ours, nothing else.
import Fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const organization = process.env.ORGANIZATION;

const LIST = `
  SELECT r.id, r.connection_id, r.resource_uri, r.resource_name, r.resource_type, r.description, r.schema, r.operations,
         r.external_id, r.parent_id, r.discovered_at, r.last_verified, r.is_available
    FROM resources r JOIN connections c ON c.id = r.connection_id AND c.deleted_at IS NULL
   WHERE r.organization_id = ANY($1) ORDER BY r.id LIMIT 51`;
const COUNT = `
  SELECT count(*)::int AS total FROM resources r JOIN connections c ON c.id = r.connection_id AND c.deleted_at IS NULL
   WHERE r.organization_id = ANY($1)`;

const app = Fastify();
app.get('/list', async (_request, reply) => {
  const [rows, count] = await Promise.all([pool.query(LIST, [[organization]]), pool.query(COUNT, [[organization]])]);
  reply.header('x-total-count', String(count.rows[0].total));
  return rows.rows.slice(0, 50);
});
await app.listen({ port: 0, host: '127.0.0.1' });
process.send({ port: app.server.address().port });
