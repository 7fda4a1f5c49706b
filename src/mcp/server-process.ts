import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { Masker } from './masker.js';
import { exhausted, UpstreamError, type UpstreamLimits } from './upstream.js';

export interface ServerProcessOptions {
  command: string;
  args: string[];
  env: Record<string, string>;
  limits: Pick<UpstreamLimits, 'processGraceMs'>;
}

export interface ServerProcessEvents {
  onData: (chunk: Buffer) => void;
  /** Called once, when the process is gone or never was. */
  onExit: (reason: UpstreamError) => void;
}

const STDERR_BYTES = 4096;

// Groups that must not outlive us. With kill -9 nothing runs; then the end of stdin is what ends the servers.
const running = new Set<number>();
process.on('exit', () => {
  for (const group of running) killGroup(group, 'SIGKILL');
});

/**
 * One process with its own process group: started without a shell, in the temporary folder, with the given environment
 * and otherwise nothing but a PATH. All its descendants that stay in the group end with it.
 */
export class ServerProcess {
  /** Rejects with UpstreamError `process_failed` when the command cannot be started. */
  readonly spawned: Promise<void>;
  /** Resolves when the process has ended, or never started. */
  readonly stopped: Promise<void>;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly masker: Masker;
  private stopping = false;

  constructor(
    private readonly options: ServerProcessOptions,
    private readonly events: ServerProcessEvents,
  ) {
    const { command, args, env } = options;
    this.masker = new Masker(Object.values(env), STDERR_BYTES);
    this.child = start(command, args, { PATH: minimalPath(), ...env });
    this.spawned = this.watchStart();
    this.stopped = this.watchEnd();
    this.child.stdout.on('data', events.onData);
    this.child.stderr.on('data', (chunk: Buffer) => this.masker.add(chunk));
    // Writing to a process that has ended fails here; its exit is what is reported.
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) stream.on('error', () => undefined);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** False when so many bytes already wait to be read that the process cannot be listening. */
  write(line: string, maxWaiting: number): boolean {
    if (this.child.stdin.writableLength > maxWaiting) return false;
    this.child.stdin.write(line);
    return true;
  }

  /** Ends stdin and asks the whole group to end, then kills it after the grace. */
  stop(): void {
    const { pid } = this.child;
    if (this.stopping || pid === undefined) return;
    this.stopping = true;
    this.child.stdin.end();
    killGroup(pid, 'SIGTERM');
    const timer = setTimeout(() => killGroup(pid, 'SIGKILL'), this.options.limits.processGraceMs);
    void this.stopped.then(() => clearTimeout(timer));
  }

  private watchStart(): Promise<void> {
    const spawned = new Promise<void>((resolve, reject) => {
      this.child.once('spawn', () => {
        if (this.child.pid !== undefined) running.add(this.child.pid);
        resolve();
      });
      this.child.once('error', (error: NodeJS.ErrnoException) => {
        const failure = this.failure(`The process could not be started (${error.code ?? 'unknown reason'}).`, false);
        this.events.onExit(failure);
        reject(failure);
      });
    });
    spawned.catch(() => undefined);
    return spawned;
  }

  private watchEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.child.once('error', () => resolve());
      this.child.once('exit', (code, signal) => {
        const { pid } = this.child;
        if (pid !== undefined) {
          running.delete(pid);
          killGroup(pid, 'SIGKILL');
        }
        // Whatever it last wrote is read first: the answer may be there, and the reason on stderr.
        const report = (): void => {
          this.events.onExit(this.failure(`The process ended ${signal ? `by ${signal}` : `with code ${code}`}.`));
          resolve();
        };
        const timer = setTimeout(report, 200);
        this.child.once('close', () => {
          clearTimeout(timer);
          report();
        });
      });
    });
  }

  private failure(message: string, mayHaveArrived = true): UpstreamError {
    return new UpstreamError('process_failed', message, { mayHaveArrived, stderr: this.masker.text() });
  }
}

function start(command: string, args: string[], env: Record<string, string>): ChildProcessWithoutNullStreams {
  let child: ChildProcessWithoutNullStreams;
  try {
    child = spawn(command, args, { env, cwd: tmpdir(), detached: true, shell: false, stdio: ['pipe', 'pipe', 'pipe'] });
  } catch {
    // Node refuses NUL bytes and empty names, and quotes the value, which may be a credential.
    const text = 'The command, its arguments or its environment contain what no process can be given.';
    throw new UpstreamError('misconfigured', text, { mayHaveArrived: false });
  }
  // Node has no streams for it when there are no file descriptors left, whatever its types say.
  if ((child.stdout as unknown) !== undefined) return child;
  child.once('error', () => undefined);
  throw exhausted();
}

/** Where programs usually are, and this Node itself, as many servers are Node programs. */
function minimalPath(): string {
  return `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
}

function killGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody is left in it.
  }
}
