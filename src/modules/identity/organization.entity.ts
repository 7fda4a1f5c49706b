import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

/** The tenant. */
@Entity('organizations')
@Index('organizations_name_key', { synchronize: false })
export class Organization {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'organizations_pkey' })
  id: string;

  /** Unique among living organizations, whatever its case (index `organizations_name_key`, see the migration). */
  @Column('text')
  name: string;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  /** A tombstone: gone from every answer, its history keeps the id. */
  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt: Date | null;
}
