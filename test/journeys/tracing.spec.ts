import { setTimeout as sleep } from 'node:timers/promises';
import { connectAll, newAgent } from '../support/agents.js';
import { startApp, type TestApp } from '../support/app.js';
import { newTenant } from '../support/tenants.js';
import { serve, type Upstream } from '../support/upstreams/http-server.js';
import { startModernEra } from '../support/upstreams/modern-era.js';
import { startOldEra } from '../support/upstreams/old-era.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
  status: { code?: number };
}

/** What OTLP over HTTP sends, and where to. */
async function startCollector(): Promise<Upstream & { spans: Span[] }> {
  const spans: Span[] = [];
  const collector = await serve('/', (request, response, body) => {
    const { resourceSpans } = body as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
    if (request.url === '/v1/traces')
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  return { ...collector, spans };
}

describe('a call and its trace', () => {
  let app: TestApp;
  let collector: Awaited<ReturnType<typeof startCollector>>;
  let upstreams: Upstream[];

  beforeAll(async () => {
    collector = await startCollector();
    app = await startApp({ OTEL_EXPORTER_OTLP_ENDPOINT: new URL(collector.url).origin });
    upstreams = await Promise.all([startOldEra(), startModernEra()]);
    for (const [index, { url }] of upstreams.entries())
      await app.admin.post('/mcp/servers', { server_id: `era-${index}`, server_name: `Era ${index}`, server_url: url });
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([...upstreams, collector].map(({ close }) => close()));
  });

  const call = (era: number, headers: Record<string, string> = {}, tool = 'echo') =>
    app.admin.post(`/mcp/tools/era-${era}_${tool}/execute`, { arguments: { message: 'hello' } }, headers);
  const sentTo = (era: number): unknown => {
    const { params } = upstreams[era]?.journal.findLast(({ method }) => method === 'tools/call') ?? {};
    return (params?._meta as Record<string, unknown>).traceparent;
  };
  async function spansOf(traceId: string, count: number): Promise<Span[]> {
    const known = (): Span[] => collector.spans.filter((span) => span.traceId === traceId);
    // They are sent every five seconds.
    for (let tries = 0; known().length < count && tries < 200; tries++) await sleep(50);
    return known();
  }

  it('goes on from what an agent says in its message, where it can set no header', async () => {
    const tenant = await newTenant(app);
    await connectAll(tenant, 'traced', upstreams[1]?.url ?? '');
    const agent = await newAgent(app, tenant);
    const meta = { traceparent: `00-${TRACE.replace('4', '5')}-${PARENT}-01` };
    const params = { name: 'traced_echo', arguments: { message: 'hello' }, _meta: meta };
    expect((await agent.ask('tools/call', params)).body.result.content[0].text).toBe('hello');
    expect(sentTo(1)).toMatch(new RegExp(`^00-${TRACE.replace('4', '5')}-[0-9a-f]{16}-01$`));
  });

  it.each([0, 1])(
    'goes on from the header of the client to the server behind (era %i), and to the log',
    async (era) => {
      const answer = await call(era, { traceparent: `00-${TRACE}-${PARENT}-01` });
      expect(answer.status).toBe(200);
      expect(sentTo(era)).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
      expect(sentTo(era)).not.toContain(PARENT);
      const line = app.log.find((each) => each.includes(String(answer.headers.get('x-request-id'))));
      expect(line).toContain(`"trace_id":"${TRACE}"`);
    },
  );

  it('begins with us where the client has none, under the id of the request', async () => {
    const answer = await call(0);
    const traceId = String(answer.headers.get('x-request-id')).replaceAll('-', '');
    expect(sentTo(0)).toMatch(new RegExp(`^00-${traceId}-`));
    const [client, server] = (await spansOf(traceId, 2)).sort((one, two) => two.kind - one.kind);
    expect(server).toMatchObject({ name: 'POST /mcp/tools/:id/execute', kind: 2, traceId });
    expect(server?.parentSpanId ?? '').toBe('');
    expect(client).toMatchObject({ name: 'tools/call', kind: 3, parentSpanId: server?.spanId });
    expect(sentTo(0)).toBe(`00-${traceId}-${client?.spanId}-01`);
    const [began, left, back, ended] = [
      server?.startTimeUnixNano,
      client?.startTimeUnixNano,
      client?.endTimeUnixNano,
      server?.endTimeUnixNano,
    ].map((nanoseconds) => BigInt(nanoseconds ?? 0));
    expect(began !== undefined && left !== undefined && back !== undefined && ended !== undefined).toBe(true);
    // The framework's clock begins a little after ours.
    const slack = 5_000_000n;
    expect([
      (began ?? 0n) - slack <= (left ?? 0n),
      (left ?? 0n) <= (back ?? 0n),
      (back ?? 0n) <= (ended ?? 0n) + slack,
    ]).toEqual([true, true, true]);
    expect(client?.attributes).toContainEqual({ key: 'gen_ai.tool.name', value: { stringValue: 'echo' } });
  });

  it('says what failed, and nothing of a trace that its client does not keep', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    await call(0, { traceparent: `00-${traceId.replace('0', '1')}-${PARENT}-00` });
    await upstreams[0]?.close();
    expect((await call(0, { traceparent: `00-${traceId}-${PARENT}-01` })).status).toBe(502);
    const spans = await spansOf(traceId, 2);
    expect(spans.map(({ kind, status }) => [kind, status.code]).sort()).toEqual([
      [2, 2],
      [3, 2],
    ]);
    expect(await spansOf(traceId.replace('0', '1'), 0)).toEqual([]);
    expect(JSON.stringify(collector.spans)).not.toContain('hello');
  });
});
