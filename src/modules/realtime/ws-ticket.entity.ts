import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The right to open one WebSocket, for clients that can not set headers: browsers. */
@Entity('ws_tickets')
@Index('ws_tickets_expires_idx', ['expiresAt'])
export class WsTicket {
  /** SHA-256 of the ticket, in hex: the ticket itself is not stored. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'ws_tickets_pkey' })
  digest: string;

  /** The bearer token that it stands for, sealed. */
  @Column('text', { name: 'sealed_token' })
  sealedToken: string;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;
}
