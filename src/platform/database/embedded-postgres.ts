import path from 'node:path';
import type { Client } from 'pg';
import { prepareBinaries, type Binaries } from './embedded-binaries.js';
import { ensureInitialized, openCluster, type Cluster } from './embedded-cluster.js';
import {
  connectAsSuperuser,
  countOtherKeepers,
  ensureRoles,
  keepAlive,
  ownerUrl,
  productUrl,
} from './embedded-connection.js';
import { launchServer, stopServer } from './embedded-launch.js';
import { adoptServer, findServer, type Server } from './embedded-server.js';
import { withFolderLock } from './folder-lock.js';
import { claimPresence, PRESENCE_INTERVAL, showPresence, withdrawPresence } from './folder-presence.js';
import { processIdentity } from './process-identity.js';
import { exists } from './unfinished.js';

export interface EmbeddedPostgresOptions {
  /** Where database, password and log live. Every process that names this folder gets the same server. */
  folder: string;
  log: (line: string, details?: object) => void;
  /** Settings of PostgreSQL, by name, over ours; used when this process starts the server. */
  settings?: Record<string, string>;
}

export interface EmbeddedPostgres {
  /** Of the running product, which owns nothing; password included. The port stays while any process uses the server. */
  readonly url: string;
  /** Of the owner of the same database. */
  readonly adminUrl: string;
  /** Of the server that runs now, or ran last: a restart after a crash changes it. */
  pid(): number;
  /** Stops the server unless another process uses it too; the last one to leave stops it. */
  stop(): Promise<void>;
}

/** Milliseconds to wait for another process that starts or stops the server. */
const LOCK_TIMEOUT = 240_000;
/** Milliseconds between looks at the server, and between attempts to restart it: first, and at most. */
const WATCH = { interval: 250, firstPause: 250, longestPause: 10_000 };

/**
 * Starts PostgreSQL in the folder, or joins the server that runs there already: that of another process, or one
 * that a killed process left behind. Whoever joins keeps it alive until stop(). If it dies it is started again on the
 * same port, with every committed row, so a pool of connections recovers by itself.
 *
 * @throws with advice, where the platform has no binaries or the account can't use the folder; with the end of the
 * server's log, when it does not start
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const settings = options.settings ?? {};
  const cluster = await openCluster(path.resolve(options.folder));
  return withFolderLock(cluster.folder, LOCK_TIMEOUT, async () => {
    const binaries = await prepareBinaries(cluster);
    const password = await ensureInitialized(cluster, binaries, settings.fsync !== 'off');
    const adopted = await adoptServer(cluster, password);
    const server = adopted ?? (await launchAlone(cluster, binaries, settings));
    const { pid, port } = server;
    options.log(adopted ? 'embedded PostgreSQL joined' : 'embedded PostgreSQL started', { pid, port });
    const watched = new WatchedServer(cluster, binaries, password, { ...options, settings }, server);
    try {
      await watched.watch();
    } catch (error) {
      if (!adopted) await stopAlone(cluster, binaries);
      throw error;
    }
    return watched;
  });
}

async function launchAlone(...parameters: Parameters<typeof launchServer>): Promise<Server> {
  await claimPresence(parameters[0].folder);
  return launchServer(...parameters);
}

async function stopAlone(cluster: Cluster, binaries: Binaries): Promise<void> {
  await stopServer(cluster, binaries);
  await withdrawPresence(cluster.folder);
}

/** One process's use of the server: its keeper connection says so to other processes, its watch restarts it. */
class WatchedServer implements EmbeddedPostgres {
  readonly url: string;
  readonly adminUrl: string;
  private keeper: Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private stopping: Promise<void> | undefined;
  private pause = WATCH.firstPause;
  private shownAt = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly binaries: Binaries,
    private readonly password: string,
    private readonly options: Required<EmbeddedPostgresOptions>,
    private server: Server,
  ) {
    this.url = productUrl(server.port, password);
    this.adminUrl = ownerUrl(server.port, password);
  }

  pid(): number {
    return this.server.pid;
  }

  stop(): Promise<void> {
    this.stopping ??= this.leave();
    return this.stopping;
  }

  /** Call it under the folder's lock: it completes what a new database needs. */
  async watch(): Promise<void> {
    const keeper = await this.keep();
    await ensureRoles(keeper, this.password);
    keepAlive(keeper, false);
    this.lookIn(WATCH.interval);
  }

  /** Opens the keeper connection anew where it was lost, as when the server restarted its backends. */
  private async keep(): Promise<Client> {
    if (this.keeper) return this.keeper;
    const keeper = await connectAsSuperuser(this.server.port, this.password);
    keeper.once('end', () => {
      if (this.keeper === keeper) this.keeper = undefined;
    });
    this.keeper = keeper;
    return keeper;
  }

  private lookIn(milliseconds: number): void {
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.looking = this.look();
    }, milliseconds).unref();
  }

  private async look(): Promise<void> {
    try {
      if ((await processIdentity(this.server.pid)) !== this.server.identity) await this.recover();
      keepAlive(await this.keep(), false);
      await this.showPresence();
      this.pause = WATCH.firstPause;
      this.lookIn(WATCH.interval);
    } catch (error) {
      this.options.log('embedded PostgreSQL is down or does not answer', {
        error: (error as Error).message,
        retryInMilliseconds: this.pause,
      });
      this.lookIn(this.pause);
      this.pause = Math.min(this.pause * 2, WATCH.longestPause);
    }
  }

  private async recover(): Promise<void> {
    const { cluster, binaries, password, server } = this;
    this.options.log('embedded PostgreSQL ended unexpectedly', { pid: server.pid });
    // Whoever removed the files meant it, or a disk is gone: an empty database must not take their place unnoticed.
    if (!(await exists(path.join(cluster.data, 'PG_VERSION')))) throw new Error(`${cluster.data} is gone`);
    this.server = await withFolderLock(cluster.folder, LOCK_TIMEOUT, async () => {
      const adopted = await adoptServer(cluster, password);
      if (adopted && adopted.port !== server.port) {
        throw new Error(`it runs on port ${adopted.port} now: restart this process`);
      }
      return adopted ?? (await launchAlone(cluster, binaries, this.options.settings, server.port));
    });
    this.options.log('embedded PostgreSQL restarted', { pid: this.server.pid, port: this.server.port });
  }

  private async showPresence(): Promise<void> {
    if (Date.now() - this.shownAt < PRESENCE_INTERVAL) return;
    this.shownAt = Date.now();
    await showPresence(this.cluster.folder);
  }

  private async leave(): Promise<void> {
    clearTimeout(this.timer);
    await this.looking;
    clearTimeout(this.timer);
    await withFolderLock(this.cluster.folder, LOCK_TIMEOUT, async () => {
      if (!(await findServer(this.cluster))) return;
      const others = await this.countOthers();
      await this.keeper?.end().catch(() => undefined);
      if (others > 0) this.options.log('embedded PostgreSQL left running for other processes', { processes: others });
      else await stopAlone(this.cluster, this.binaries);
    });
  }

  /** A server that can't be asked serves nobody; other processes would start it again. */
  private async countOthers(): Promise<number> {
    try {
      const keeper = await this.keep();
      keepAlive(keeper, true);
      return await countOtherKeepers(keeper);
    } catch {
      return 0;
    }
  }
}
