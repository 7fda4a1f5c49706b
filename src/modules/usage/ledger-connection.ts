import pg from 'pg';
import { giveUp } from '../../platform/database/silence-limit.js';

const LIMIT_MS = { connect: 5_000, silence: 10_000 };
/** SQLSTATE of statements that a transaction pooler has prepared on another connection, or has twice. */
const NOT_PREPARED = new Set(['26000', '42P05']);

/**
 * A connection that the ledger has for itself: a call must not wait until lists are read, nor for its turn in a pool. It is made
 * when it is needed and made anew after it was lost.
 */
export class LedgerConnection {
  private client: Promise<pg.Client> | null = null;
  private isPrepared = true;
  private isClosed = false;

  /** @param lost told why it was lost */
  constructor(
    private readonly url: string,
    private readonly lost: (error: Error) => void,
  ) {}

  /** @param name of a statement that is asked again and again, so that it is parsed once */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[], name?: string): Promise<Row[]> {
    if (this.isClosed) throw new Error('Connection terminated: the ledger is closed');
    const client = await (this.client ??= this.connect());
    // Only while it is asked: between two calls it may be silent for as long as it likes.
    const timer = setTimeout(() => giveUp(client, LIMIT_MS.silence), LIMIT_MS.silence);
    try {
      const named = this.isPrepared && name !== undefined;
      return (await client.query<Row>({ text, values, ...(named ? { name } : {}) })).rows;
    } catch (error) {
      // What the server answered is about the statement; anything else is about the connection.
      if (!(error instanceof pg.DatabaseError)) await this.end();
      else if (this.isPrepared && NOT_PREPARED.has(error.code ?? '')) {
        this.isPrepared = false;
        return this.query(text, values);
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** For good: what is still to be written then stays open, and is closed as unknown by another process. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.end();
  }

  private async end(): Promise<void> {
    const ending = this.client;
    this.client = null;
    const client = await ending?.catch(() => null);
    // Not waited for: a server that is away does not answer.
    client?.end().catch(() => undefined);
  }

  private connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'mcp-control-plane ledger',
      connectionTimeoutMillis: LIMIT_MS.connect,
    });
    const connected = client.connect().then(() => client);
    const forget = (error: Error): void => {
      if (this.client === connected) this.client = null;
      this.lost(error);
    };
    client.on('error', forget);
    connected.catch(forget);
    return connected;
  }
}
