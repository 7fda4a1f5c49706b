import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Connection } from './connection.entity.js';

/** `schedule`: by itself; `test`: somebody asked for it. */
export type CheckTrigger = 'schedule' | 'test';

/** What a look at a server has shown. The latest of each connection are kept. */
@Entity('connection_checks')
@Index('connection_checks_connection_idx', ['connectionId', 'id'])
export class ConnectionCheck {
  /** UUIDv7: grows with time. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'connection_checks_pkey' })
  id: string;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  @Column('text')
  trigger: CheckTrigger;

  /** Why it can't be used: an UpstreamReason or a code of ours; null: it can. */
  @Column('text', { nullable: true })
  reason: string | null;

  /** Milliseconds until the server had introduced itself; null where it did not. */
  @Column('integer', { name: 'latency_ms', nullable: true })
  latencyMs: number | null;

  @Column('timestamptz', { name: 'checked_at', default: () => 'now()' })
  checkedAt: Date;

  @ManyToOne(() => Connection, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'connection_id', foreignKeyConstraintName: 'connection_checks_connection_fkey' })
  connection?: Connection;
}
