import {
  Column,
  CreateDateColumn,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  UpdateDateColumn,
} from 'typeorm';
import { Organization } from '../identity/organization.entity.js';
import { User } from '../identity/user.entity.js';
import { ServerType, type PriceBook } from '../registry/server-type.entity.js';

/** What the last contact with the server said. */
export type ConnectionStatus = 'disconnected' | 'connected' | 'error';

/** Whether definitions that a server changes wait for an admin's review, or are taken as they come. */
export const TOOL_REVIEWS = ['review', 'trust'] as const;
export type ToolReview = (typeof TOOL_REVIEWS)[number];

/** An organization's configured instance of a server type. */
@Entity('connections')
@Index('connections_slug_key', { synchronize: false })
@Index('connections_name_key', { synchronize: false })
@Index('connections_server_type_idx', ['serverTypeId'])
@Index('connections_organization_idx', ['organizationId', 'id'])
@Index('connections_next_check_idx', { synchronize: false })
export class Connection {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'connections_pkey' })
  id: string;

  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  /** Null once deleted, so that a type can go when only tombstones of it are left. */
  @Column('integer', { name: 'server_type_id', nullable: true })
  serverTypeId: number | null;

  /** `server_id` of the `/mcp/servers` API, unique among the living connections of the organization. Never changes: tool ids begin with it. */
  @Column('text')
  slug: string;

  @Column('text', { name: 'connection_name' })
  connectionName: string;

  @Column('text', { default: '' })
  description: string;

  @Column('boolean', { name: 'is_active', default: true })
  isActive: boolean;

  @Column('jsonb', { name: 'config_options', default: {} })
  configOptions: Record<string, unknown>;

  /** The credentials, sealed (platform/crypto/key-ring.ts). */
  @Column('text', { name: 'sealed_auth' })
  sealedAuth: string;

  /** SHA-256 of the address that the credentials were entered for: they are sent nowhere else. */
  @Column('text', { name: 'address_digest' })
  addressDigest: string;

  /** The address for people: no query, no secret. */
  @Column('text', { name: 'server_url' })
  serverUrl: string;

  @Column('text', { name: 'tool_review', default: 'review' })
  toolReview: ToolReview;

  /** Its annotations may lower a tool's effect, as they may where the type says so. */
  @Column('boolean', { name: 'trust_annotations', default: false })
  trustAnnotations: boolean;

  /** What its calls cost, instead of what its type says; null: as its type says. */
  @Column('json', { name: 'price_book', nullable: true })
  priceBook: PriceBook | null;

  @Column('text', { default: 'disconnected' })
  status: ConnectionStatus;

  @Column('timestamptz', { name: 'last_connected', nullable: true })
  lastConnected: Date | null;

  /** Seconds between checks; 0: it is not checked by itself. */
  @Column('integer', { name: 'health_check_interval', default: 0 })
  healthCheckInterval: number;

  @Column('timestamptz', { name: 'next_check_at', default: () => 'now()' })
  nextCheckAt: Date;

  /** The latest ones, one after the other. */
  @Column('integer', { name: 'failed_checks', default: 0 })
  failedChecks: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @UpdateDateColumn({ type: 'timestamptz', name: 'updated_at' })
  updatedAt: Date;

  @Column('uuid', { name: 'created_by', nullable: true })
  createdById: string | null;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt: Date | null;

  @ManyToOne(() => Organization, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'organization_id', foreignKeyConstraintName: 'connections_organization_fkey' })
  organization?: Organization;

  @ManyToOne(() => ServerType, { onDelete: 'RESTRICT', nullable: true })
  @JoinColumn({ name: 'server_type_id', foreignKeyConstraintName: 'connections_server_type_fkey' })
  serverType?: ServerType | null;

  @ManyToOne(() => User, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'created_by', foreignKeyConstraintName: 'connections_created_by_fkey' })
  createdBy?: User | null;
}
