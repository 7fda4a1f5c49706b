// Floor of a call: Nest on Fastify, the key hashed, a session and an allow-list looked up, a window counted, JSON parsed
// both ways, keep-alive to the upstream by undici. No policy, no schema check, no limits, nothing written.
import 'reflect-metadata';
import * as common from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { createHash } from 'node:crypto';
import { Pool } from 'undici';

const upstream = new URL(process.env.UPSTREAM);
const pool = new Pool(upstream.origin, { connections: 128, pipelining: 1 });
const hash = (text) => createHash('sha256').update(text).digest('base64url');
const principals = new Map([[hash('bench-key'), { allowed: new Set(['bench_echo']), window: 0, count: 0 }]]);
let id = 0;

class Tools {
  async execute(request, tool, body) {
    const principal = principals.get(hash(request.headers.authorization?.slice(7) ?? ''));
    if (!principal?.allowed.has(tool)) throw new common.ForbiddenException();
    const window = Math.floor(Date.now() / 60_000);
    if (principal.window !== window) Object.assign(principal, { window, count: 0 });
    principal.count++;
    const params = { name: tool.slice(6), arguments: body.arguments };
    const answer = await pool.request({
      method: 'POST',
      path: upstream.pathname,
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method: 'tools/call', params }),
    });
    const { result } = await answer.body.json();
    return { result: result.content[0].text, content: result.content, is_error: false };
  }
}
common.Req()(Tools.prototype, 'execute', 0);
common.Param('tool')(Tools.prototype, 'execute', 1);
common.Body()(Tools.prototype, 'execute', 2);
const route = Object.getOwnPropertyDescriptor(Tools.prototype, 'execute');
common.Post(':tool/execute')(Tools.prototype, 'execute', route);
common.HttpCode(200)(Tools.prototype, 'execute', route);
common.Controller('mcp/tools')(Tools);

class Root {}
common.Module({ controllers: [Tools] })(Root);

const app = await NestFactory.create(Root, new FastifyAdapter(), { logger: false });
await app.listen(0, '127.0.0.1');
process.send({ port: app.getHttpServer().address().port });
