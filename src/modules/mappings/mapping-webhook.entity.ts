import { Column, CreateDateColumn, Entity, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Mapping } from './mapping.entity.js';

/** Where the changed items of a mapping are delivered to. */
@Entity('mapping_webhooks')
export class MappingWebhook {
  @PrimaryColumn('integer', { name: 'mapping_id', primaryKeyConstraintName: 'mapping_webhooks_pkey' })
  mappingId: number;

  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  @Column('text')
  url: string;

  /** Signs deliveries; sealed, and shown once. */
  @Column('text', { name: 'sealed_secret' })
  sealedSecret: string;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @OneToOne(() => Mapping, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'mapping_id', foreignKeyConstraintName: 'mapping_webhooks_mapping_fkey' })
  mapping?: Mapping;
}
