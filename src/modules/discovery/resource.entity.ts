import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Connection } from '../connections/connection.entity.js';
import type { ListedExtras } from './kept-definition.js';

/** The four things an MCP server can list. */
export type ResourceKind = 'resource' | 'resource_template' | 'tool' | 'prompt';

/** Anything discovered on a connection that can be granted, tools included. */
@Entity('resources')
@Index('resources_uri_key', ['connectionId', 'kind', 'uriDigest'], { unique: true })
@Index('resources_organization_idx', ['organizationId', 'id'])
@Index('resources_connection_idx', ['connectionId', 'id'])
@Index('resources_parent_idx', ['parentId'])
export class Resource {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', primaryKeyConstraintName: 'resources_pkey' })
  id: number;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  /** The connection's, beside every row, so that lists of a tenant stay on one index. */
  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  @Column('text')
  kind: ResourceKind;

  @Column('text', { name: 'resource_uri' })
  resourceUri: string;

  /** SHA-256 of the URI: URIs are too long for an index. */
  @Column('text', { name: 'uri_digest' })
  uriDigest: string;

  @Column('text', { name: 'resource_name' })
  resourceName: string;

  @Column('text', { name: 'resource_type' })
  resourceType: string;

  @Column('text', { default: '' })
  description: string;

  /** `json`, not `jsonb`: properties stay in the order in which the upstream wrote them. */
  @Column('json', { default: {} })
  schema: Record<string, unknown>;

  @Column('text', { array: true, default: '{}' })
  operations: string[];

  /** The upstream's own name for it. */
  @Column('text', { name: 'external_id', nullable: true })
  externalId: string | null;

  @Column('text', { name: 'mime_type', nullable: true })
  mimeType: string | null;

  /** What else the upstream says of it in its list: as MCP names it, see {@link ListedExtras}. */
  @Column('json', { default: {} })
  listed: ListedExtras;

  @Column('integer', { name: 'parent_id', nullable: true })
  parentId: number | null;

  /** SHA-256 of everything the upstream said about it: tells a change from a mere sighting. */
  @Column('text', { name: 'content_digest' })
  contentDigest: string;

  @Column('timestamptz', { name: 'discovered_at', default: () => 'now()' })
  discoveredAt: Date;

  @Column('timestamptz', { name: 'last_verified', default: () => 'now()' })
  lastVerified: Date;

  /** The discovery that last made, changed or lost it; null for what was there before runs were noted. */
  @Column('uuid', { name: 'changed_in', nullable: true })
  changedIn: string | null;

  @Column('boolean', { name: 'is_available', default: true })
  isAvailable: boolean;

  @ManyToOne(() => Connection, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'connection_id', foreignKeyConstraintName: 'resources_connection_fkey' })
  connection?: Connection;

  @ManyToOne(() => Resource, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'parent_id', foreignKeyConstraintName: 'resources_parent_fkey' })
  parent?: Resource | null;
}
