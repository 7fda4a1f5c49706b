import { Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { KeyRing, UnsealError } from '../../platform/crypto/key-ring.js';
import { Database } from '../../platform/database/transaction.js';

const TICKET_BYTES = 32;
export const TICKET_SECONDS = 60;
/** What `create` makes, and nothing else is looked for. */
const TICKET = /^[A-Za-z0-9_-]{43}$/;

export interface TicketResponse {
  ticket: string;
  /** Seconds. */
  expires_in: number;
}

/** Tickets for WebSockets, good once and for a minute, on whichever replica. */
@Injectable()
export class TicketsService {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
  ) {}

  /** @param token the bearer token of the request: the socket has its rights, and ends with it */
  async create(token: string): Promise<TicketResponse> {
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    const digest = digestOf(ticket);
    await this.database.manager.query('DELETE FROM ws_tickets WHERE expires_at < now()');
    await this.database.manager.query(
      `INSERT INTO ws_tickets (digest, sealed_token, expires_at) VALUES ($1, $2, now() + interval '${TICKET_SECONDS} s')`,
      [digest, this.keys.seal(token, placeOf(digest))],
    );
    return { ticket, expires_in: TICKET_SECONDS };
  }

  /** @returns the token it stands for; null for one that is unknown, used or too old */
  async redeem(ticket: string): Promise<string | null> {
    if (!TICKET.test(ticket)) return null;
    const digest = digestOf(ticket);
    const [rows] = await this.database.manager.query<[{ sealed_token: string; is_good: boolean }[], number]>(
      'DELETE FROM ws_tickets WHERE digest = $1 RETURNING sealed_token, expires_at > now() AS is_good',
      [digest],
    );
    const [row] = rows;
    if (!row?.is_good) return null;
    try {
      return this.keys.open(row.sealed_token, placeOf(digest));
    } catch (error) {
      if (error instanceof UnsealError) return null;
      throw error;
    }
  }
}

function digestOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('hex');
}

function placeOf(digest: string): { principal: string; idempotencyKey: string } {
  return { principal: 'ws-ticket', idempotencyKey: digest };
}
