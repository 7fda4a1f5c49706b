import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Connection } from '../../../src/modules/connections/connection.entity.js';

/** What people of an organization want to remember about a connection. */
@Entity('notes')
@Index('notes_connection_idx', ['connectionId', 'id'])
export class Note {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'notes_pkey' })
  id: string;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  @Column('text')
  text: string;

  @ManyToOne(() => Connection, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'connection_id', foreignKeyConstraintName: 'notes_connection_fkey' })
  connection?: Connection;
}
