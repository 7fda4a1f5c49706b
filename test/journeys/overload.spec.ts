import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startApp, type TestApp } from '../support/app.js';
import { expectError } from '../support/contract.js';

const MOST_REQUESTS = 2_000;

describe('a process that has too much to do', () => {
  let app: TestApp;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    app = await startApp();
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(() => app.close());

  const me = () => app.admin.get('/api/v1/auth/me');
  async function until(is: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await is()); tries++) {
      if (tries > 400) throw new Error('not so in time');
      await sleep(25);
    }
  }
  /** A request whose body never comes. */
  function unfinished(): Promise<void> {
    const { hostname, port } = new URL(app.url);
    return new Promise((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          'POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
        );
        resolve();
      });
      socket.on('error', () => undefined).on('data', () => undefined);
      sockets.push(socket);
    });
  }

  it('sends others away with 503 and a time, still says that it lives, and takes them again afterwards', async () => {
    for (let count = 0; count < MOST_REQUESTS * 1.05; count++) await unfinished();
    await until(async () => (await me()).status === 503);
    const answer = await me();
    expectError(answer, 503, 'unavailable');
    expect(answer.body.details).toEqual({ status: 'overloaded' });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const path of ['/health/live', '/health/ready', '/metrics'])
      expect((await app.anonymous.get(path)).status).toBe(200);
    for (const socket of sockets.splice(0)) socket.destroy();
    await until(async () => (await me()).status === 200);
  });

  it('is not kept busy by those who have no token and ask for what has no limit', async () => {
    const { hostname, port } = new URL(app.url);
    for (let count = 0; count < MOST_REQUESTS * 1.05; count++) {
      const socket = connect(Number(port), hostname);
      sockets.push(socket.on('error', () => undefined).on('data', () => undefined));
      socket.write('POST /health/x HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{');
    }
    await sleep(500);
    for (let times = 0; times < 5; times++) expect((await me()).status).toBe(200);
  });

  it('does so while its event loop hardly turns', async () => {
    const ends = performance.now() + 20_000;
    const answers: number[] = [];
    const asked: Promise<unknown>[] = [];
    const isOver = (): boolean => performance.now() > ends || answers.includes(503);
    // Each turn asks anew: an answer takes several.
    const stall = (): void => {
      for (const end = performance.now() + 800; performance.now() < end;);
      if (isOver()) return;
      asked.push(me().then(({ status }) => answers.push(status)));
      setTimeout(stall, 1);
    };
    setTimeout(stall, 1);
    await until(async () => isOver());
    await Promise.all(asked);
    expect(answers).toContain(503);
    await until(async () => (await me()).status === 200);
  });
});
