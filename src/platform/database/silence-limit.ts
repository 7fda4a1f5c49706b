import type { ClientBase } from 'pg';

/**
 * Milliseconds that PostgreSQL may keep a statement of the product waiting. The largest ones (auto-sync of 19,000 resources,
 * a discovery of 20,000 tools) take seconds. More than the 10 s after which the pool itself ends an unused connection.
 */
export const LONGEST_SILENCE_MS = 30_000;

/** The socket of a connected client, which the types of pg leave out. */
interface Connected {
  connection: { stream: { setTimeout(milliseconds: number, late: () => void): void; destroy(error: Error): void } };
}

/**
 * For the pool's `onConnect`: ends connections on which nothing was heard for so long, as when PostgreSQL is paused or the
 * network between swallows everything. What waits there fails with ETIMEDOUT, which counts as the database being away.
 *
 * Not pg's `query_timeout`: it leaves the connection as it is, TypeORM puts that back into the pool, and the next request
 * waits behind the answer that is still outstanding. Nor the server's `statement_timeout`: a paused server does not count,
 * and as a setting of the session it does not pass through a transaction pooler.
 */
export function limitSilence(milliseconds: number): (client: ClientBase) => void {
  return (client) => {
    const { stream } = (client as ClientBase & Connected).connection;
    stream.setTimeout(milliseconds, () => giveUp(client, milliseconds));
  };
}

/** Ends a connection on which nothing was heard for so long. */
export function giveUp(client: ClientBase, milliseconds: number): void {
  const error = new Error(`PostgreSQL has said nothing for ${milliseconds / 1_000} s`);
  (client as ClientBase & Connected).connection.stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
}
