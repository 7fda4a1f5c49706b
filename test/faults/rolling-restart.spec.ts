import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { expectConsistent, type Note } from '../support/ledger-faults.js';
import { LedgerWorld } from '../support/ledger-world.js';
import type { Product } from '../support/product.js';

const CLIENTS = 16;
const SUBSCRIBERS = 10;
const TOGGLE_MS = 150;
/** Between two looks of the balancer, as deploy/kubernetes/haproxy.cfg has them. */
const LOOK_MS = 500;

type Frame = { type: string; status?: string };

/** What came of one socket, and when it was open. */
interface Session {
  opened: number;
  closed: number;
  frames: Frame[];
}

/** A change that was acknowledged. */
interface Change {
  began: number;
  ended: number;
}

/** An event is on its way for so long at most. */
const TOLD_MS = 500;

/** What a load balancer does: it asks every replica whether it should get traffic. */
class Balancer {
  private ready: Product[];
  private next = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly products: readonly Product[]) {
    this.ready = [...products];
    this.timer = setInterval(() => void this.look(), LOOK_MS);
  }

  get one(): Product {
    const product = this.ready[this.next++ % Math.max(1, this.ready.length)] ?? this.products[0];
    if (!product) throw new Error('no replica is there');
    return product;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    const answers = await Promise.all(
      this.products.map((product) =>
        fetch(`${product.url}/health/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    this.ready = this.products.filter((_, index) => answers[index]);
  }
}

/** Somebody who watches a connection, and comes back when the socket is closed. */
class Watcher {
  /** In the order of their opening. */
  readonly sockets: Session[] = [];
  private socket: WebSocket | null = null;
  private stopped = false;

  constructor(
    private readonly balancer: Balancer,
    private readonly path: string,
    private readonly token: string,
  ) {
    this.open();
  }

  stop(): void {
    this.stopped = true;
    this.socket?.terminate();
  }

  private open(): void {
    if (this.stopped) return;
    const session: Session = { opened: Infinity, closed: Infinity, frames: [] };
    const url = this.balancer.one.url.replace('http', 'ws') + this.path;
    this.socket = new WebSocket(url, { headers: { authorization: `Bearer ${this.token}` } });
    this.socket.on('open', () => {
      session.opened = Date.now();
      this.sockets.push(session);
    });
    this.socket.on('message', (data: Buffer) => session.frames.push(JSON.parse(data.toString()) as Frame));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      session.closed = Date.now();
      setTimeout(() => this.open(), 50);
    });
  }
}

describe('two replicas that are restarted one after the other', () => {
  let world: LedgerWorld;
  beforeAll(async () => {
    world = await LedgerWorld.create();
    await world.add();
    world.upstream.delay = () => Math.random() * 60;
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
  });

  it('lose no acknowledged request, and no event without a resync', async () => {
    const { client } = world.product;
    await client.post('/mcp/servers', { server_id: 'seen', server_name: 'Seen', server_url: world.upstream.url });
    const { body } = await client.get('/api/v1/mcp/connections/');
    const { id } = (body as { id: string; server_id: string }[]).find(({ server_id }) => server_id === 'seen') ?? {
      id: '',
    };
    const balancer = new Balancer(world.products);
    const watchers = Array.from(
      { length: SUBSCRIBERS },
      () => new Watcher(balancer, `/ws/mcp/resources/${id}/`, client.token ?? ''),
    );
    await sleep(1_000);

    const notes: Note[] = [];
    let isOn = true;
    const calls = Array.from({ length: CLIENTS }, async (_, worker) => {
      for (let number = 0; isOn; number++) {
        const note: Note = { id: `rolling ${worker} ${number}`, key: undefined, as: 'agent', status: null, body: null };
        notes.push(note);
        const answer = await world.execute(world.agent(balancer.one), note.id).catch((error: unknown) => error);
        if (answer instanceof Error) note.body = answer.message;
        else Object.assign(note, answer);
      }
    });
    let toggles = 0;
    const changes: Change[] = [];
    const refused: unknown[] = [];
    const toggling = (async () => {
      for (; isOn; toggles++) {
        const began = Date.now();
        const at = balancer.one.client.withToken(client.token ?? '');
        const answer = await at
          .patch(`/api/v1/mcp/connections/${id}/`, { is_active: toggles % 2 === 1 })
          .catch((error: unknown) => ({ status: 0, body: String(error) }));
        if (answer.status === 200) changes.push({ began, ended: Date.now() });
        else refused.push([answer.status, answer.body]);
        await sleep(TOGGLE_MS);
      }
    })();

    await sleep(1_000);
    for (const product of world.products) {
      expect(await product.end('SIGTERM')).toBe(0);
      await product.start();
      await sleep(2 * LOOK_MS);
    }
    isOn = false;
    await Promise.all([...calls, toggling]);
    await sleep(1_000);
    balancer.close();
    for (const watcher of watchers) watcher.stop();

    expect(notes.filter(({ status }) => status !== 200)).toEqual([]);
    expect(refused).toEqual([]);
    expect(notes.length).toBeGreaterThan(100);
    expect(toggles).toBeGreaterThan(10);
    const last = toggles % 2 === 1 ? 'disconnected' : 'connected';
    let closed = 0;
    for (const { sockets } of watchers) {
      closed += sockets.length - 1;
      for (const session of sockets) expect(missed(session, changes)).toBe(0);
      expect(sockets.at(-1)?.frames.findLast(({ type }) => type === 'connection_status')?.status).toBe(last);
    }
    // Each was closed by one replica at least.
    expect(closed).toBeGreaterThanOrEqual(SUBSCRIBERS);
    await expectConsistent(world, notes);
  });
});

/** How many of the changes that were made while a socket was open it was not told of, though nobody told it to read anew. */
function missed({ opened, closed, frames }: Session, changes: readonly Change[]): number {
  if (frames.some(({ type }) => type === 'resync')) return 0;
  const meanwhile = changes.filter(({ began, ended }) => began > opened && ended < closed - TOLD_MS);
  // The first says how it was when the socket was opened.
  const told = frames.filter(({ type }) => type === 'connection_status').length - 1;
  return Math.max(0, meanwhile.length - told);
}
