import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from './api-client.js';
import { freePort } from './free-port.js';

const ADMIN_PASSWORD = 'correct horse battery staple';
const START_MS = 60_000;

/** The built product in a process of its own, as an operator runs it: `dist/` has to be there. */
export class Product {
  private child: ChildProcess | null = null;
  output = '';
  client = new ApiClient('');

  private constructor(
    readonly dataDir: string,
    readonly port: number,
    private readonly variables: Record<string, string>,
    private readonly root: string,
  ) {}

  /**
   * @param variables of its environment; FILE_LIMIT is how many files it may open
   * @param root folder that holds the `dist/` to run
   */
  static async start(dataDir: string, variables: Record<string, string> = {}, root = process.cwd()): Promise<Product> {
    const product = new Product(dataDir, await freePort(), variables, root);
    await product.start();
    return product;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** Starts it (again) and logs in. */
  async start(): Promise<void> {
    this.spawn();
    await this.untilReady();
    const anonymous = new ApiClient(this.url);
    const { body } = await anonymous.post('/api/v1/auth/login', { username: 'admin', password: ADMIN_PASSWORD });
    this.client = anonymous.withToken(body.access_token);
  }

  spawn(): void {
    const env = {
      ...process.env,
      DATABASE_URL: '',
      DATABASE_ADMIN_URL: '',
      THROTTLE_AUTHENTICATED: '1000000',
      THROTTLE_ANONYMOUS: '1000000',
    };
    const { FILE_LIMIT: files } = this.variables;
    const [program = '', ...words] = [
      ...(files === undefined ? [] : ['sh', '-c', `ulimit -n ${Number(files)}; exec "$0" "$@"`]),
      process.execPath,
      'dist/src/main.js',
    ];
    const child = spawn(program, words, {
      env: {
        ...env,
        NODE_ENV: 'test',
        DATA_DIR: this.dataDir,
        PORT: String(this.port),
        ADMIN_PASSWORD,
        ...this.variables,
      },
      cwd: this.root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.child = child;
  }

  async untilReady(): Promise<void> {
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline) {
      if (this.child?.exitCode !== null) throw new Error(`the product did not start:\n${this.output}`);
      const answer = await fetch(`${this.url}/health/ready`).catch(() => null);
      if (answer?.status === 200) return;
      await sleep(50);
    }
    throw new Error(`the product is not ready after ${START_MS} ms:\n${this.output}`);
  }

  /** How many files and sockets it has open. Linux only. */
  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Megabytes of memory. Linux only. */
  get memory(): number {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) / 1_024;
  }

  /** Sends a signal; resolves with the exit code (null when a signal ended it). */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return exited;
  }
}
