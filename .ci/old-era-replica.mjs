// `node --import ./test/support/load-typescript.mjs .ci/old-era-replica.mjs ADDRESS PORT`: the MCP server of 2025-11-25 from the
// tests, with sessions, at an address of its own, as a replica: it says that it is ready, and in each answer who it is.
import { createServer, request as ask } from 'node:http';
import { startOldEra } from '../test/support/upstreams/old-era.ts';

const [address, port] = process.argv.slice(2);
const { url } = await startOldEra();
const server = createServer((request, response) => {
  response.setHeader('x-replica', address);
  if (request.url === '/health/ready') return response.end();
  const {
    method,
    headers: { connection: _hop, ...headers },
  } = request;
  const passed = ask(url, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
  });
  passed.on('error', () => response.destroy());
  response.on('close', () => passed.destroy());
  request.pipe(passed);
});
server.listen(Number(port), address, () => process.send('listening'));
