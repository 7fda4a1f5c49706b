import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Connection } from '../connections/connection.entity.js';
import { User } from '../identity/user.entity.js';
import { Resource } from './resource.entity.js';
import type { ToolDefinition } from './tool.entity.js';

/** What is pinned: what a server tells a model to do, and how. */
export const DEFINITION_KINDS = ['tool', 'prompt', 'instructions'] as const;
export type DefinitionKind = (typeof DEFINITION_KINDS)[number];

export const DEFINITION_STATUSES = ['approved', 'pending', 'rejected'] as const;
export type DefinitionStatus = (typeof DEFINITION_STATUSES)[number];

/** A prompt as its server defines it (MCP 2025-11-25, server/prompts). */
export interface PromptDefinition {
  name: string;
  title?: string;
  description?: string;
  arguments?: unknown[];
  icons?: unknown[];
  _meta?: Record<string, unknown>;
}

/** The text of a server about its own use. */
export interface InstructionsDefinition {
  instructions: string;
}

export type Definition = ToolDefinition | PromptDefinition | InstructionsDefinition;

/** A tool, a prompt or the instructions of a server, as last discovered and as last approved. */
@Entity('definitions')
@Index('definitions_name_key', ['connectionId', 'kind', 'name'], { unique: true })
@Index('definitions_organization_idx', ['organizationId', 'id'])
@Index('definitions_connection_idx', ['connectionId'])
@Index('definitions_resource_idx', ['resourceId'])
export class DefinitionEntry {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', primaryKeyConstraintName: 'definitions_pkey' })
  id: number;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  @Column('text')
  kind: DefinitionKind;

  /** The row of the tool or prompt; instructions have none. */
  @Column('integer', { name: 'resource_id', nullable: true })
  resourceId: number | null;

  /** At the server; empty for instructions. */
  @Column('text')
  name: string;

  /** As last discovered. Null once the server gives no instructions any more; what it gave is gone then, as a vanished tool is. */
  @Column('json', { nullable: true })
  latest: Definition | null;

  @Column('json', { nullable: true })
  approved: Definition | null;

  @Column('text')
  status: DefinitionStatus;

  /** While another definition than the approved one was found: whether all arguments that are valid under the approved one are proven to be valid still. */
  @Column('boolean', { default: false })
  compatible: boolean;

  /** When the latest definition was first found. */
  @Column('timestamptz', { name: 'changed_at', default: () => 'now()' })
  changedAt: Date;

  /** Null where nobody had to decide. */
  @Column('timestamptz', { name: 'decided_at', nullable: true })
  decidedAt: Date | null;

  @Column('uuid', { name: 'decided_by', nullable: true })
  decidedById: string | null;

  @ManyToOne(() => Connection, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'connection_id', foreignKeyConstraintName: 'definitions_connection_fkey' })
  connection?: Connection;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE', nullable: true })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'definitions_resource_fkey' })
  resource?: Resource | null;

  @ManyToOne(() => User, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'decided_by', foreignKeyConstraintName: 'definitions_decided_by_fkey' })
  decidedBy?: User | null;
}
