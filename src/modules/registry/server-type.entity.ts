import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Organization } from '../identity/organization.entity.js';
import type { PriceBook } from './price-book.js';
import type { DeclaredResource, Scope, VerifiedEffect } from './scopes.js';
import type { JsonSchema, Transport } from './transport.js';
import type { EffectsSource } from './well-known/tools-list.js';

export type { PriceBook } from './price-book.js';

/** A kind of MCP server that can be connected. Without an organization it is global, and operators edit it. */
@Entity('server_types')
@Index('server_types_global_name_key', { synchronize: false })
@Index('server_types_private_name_key', { synchronize: false })
@Index('server_types_organization_idx', ['organizationId'])
export class ServerType {
  /** Below 1,000: shipped with the product. */
  @PrimaryGeneratedColumn('identity', {
    generatedIdentity: 'BY DEFAULT',
    primaryKeyConstraintName: 'server_types_pkey',
  })
  id: number;

  @Column('uuid', { name: 'organization_id', nullable: true })
  organizationId: string | null;

  /** Unique among global types, and in each organization. */
  @Column('text', { name: 'qualified_name' })
  qualifiedName: string;

  @Column('text', { name: 'display_name' })
  displayName: string;

  @Column('text', { default: '' })
  description: string;

  @Column('text', { name: 'provider_type' })
  providerType: string;

  @Column('boolean', { name: 'supports_workspace_scoping', default: false })
  supportsWorkspaceScoping: boolean;

  /** Schemas are `json`, not `jsonb`: they are shown in the order in which they were written. */
  @Column('json', { name: 'scoping_config_schema', default: {} })
  scopingConfigSchema: JsonSchema;

  @Column('json', { name: 'auth_schema' })
  authSchema: JsonSchema;

  @Column('json', { name: 'options_schema' })
  optionsSchema: JsonSchema;

  @Column('jsonb')
  transport: Transport;

  /** `principal`: upstream sessions are kept apart by who calls. `connection`: the server keeps no state, one pool for all. */
  @Column('text', { name: 'session_scope', default: 'principal' })
  sessionScope: 'principal' | 'connection';

  /** Whether the server's own annotations may lower the effect of a tool. */
  @Column('boolean', { name: 'trust_annotations', default: false })
  trustAnnotations: boolean;

  /** What ties tools to resources (docs/scopes.md). */
  @Column('json', { default: [] })
  scopes: Scope[];

  /** Effects of tools that somebody verified, by the tool's name at the server. */
  @Column('json', { name: 'tool_effects', default: {} })
  toolEffects: Record<string, VerifiedEffect>;

  /** What shipped effects were read from. Null: the word of whoever wrote the type, or nothing. */
  @Column('json', { name: 'effects_source', nullable: true })
  effectsSource: EffectsSource | null;

  /** Resources that servers of this type have without listing them. */
  @Column('json', { name: 'declared_resources', default: [] })
  declaredResources: DeclaredResource[];

  /** Of its tools. */
  @Column('text', { default: 'utility' })
  category: string;

  /** What calls of its servers cost, where a connection says nothing else. */
  @Column('json', { name: 'price_book', default: {} })
  priceBook: PriceBook;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @ManyToOne(() => Organization, { onDelete: 'CASCADE', nullable: true })
  @JoinColumn({ name: 'organization_id', foreignKeyConstraintName: 'server_types_organization_fkey' })
  organization?: Organization | null;
}
