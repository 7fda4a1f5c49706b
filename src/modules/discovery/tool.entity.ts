import { Column, Entity, Index, JoinColumn, OneToOne, PrimaryColumn } from 'typeorm';
import { Resource } from './resource.entity.js';

/** What a tool does to the upstream's data, from the least to the worst. */
export const TOOL_EFFECTS = ['read', 'write', 'destructive'] as const;
export type ToolEffect = (typeof TOOL_EFFECTS)[number];

/** A tool as its server defines it (MCP 2025-11-25, server/tools). */
export interface ToolDefinition {
  name: string;
  title?: string;
  description?: string;
  inputSchema: Record<string, unknown>;
  outputSchema?: Record<string, unknown>;
  annotations?: Record<string, unknown>;
  icons?: unknown[];
  _meta?: Record<string, unknown>;
}

/** The facts of a tool beside its resource row and its definition; written in the same transaction. */
@Entity('tools')
@Index('tools_public_id_key', ['organizationId', 'publicId'], { unique: true })
@Index('tools_connection_idx', ['connectionId'])
export class Tool {
  @PrimaryColumn('integer', { name: 'resource_id', primaryKeyConstraintName: 'tools_pkey' })
  resourceId: number;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  /** Its name at the server. */
  @Column('text')
  name: string;

  /** `{server_id}_{tool_name}`; never changes, so that agents can rely on it. Null once the connection is gone and another took the name. */
  @Column('text', { name: 'public_id', nullable: true })
  publicId: string | null;

  /** Of the definition in force. */
  @Column('text')
  title: string;

  @Column('text')
  category: string;

  /**
   * What its annotations claim, believed or not: the effect that counts is derived where tools are read. Of an approved
   * definition and a changed one it is the greater: a raise applies at once, a lowering waits for approval.
   */
  @Column('text', { name: 'effect' })
  claimedEffect: ToolEffect;

  /** An admin's word, above all others. */
  @Column('text', { name: 'effect_override', nullable: true })
  effectOverride: ToolEffect | null;

  /** Why arguments can't be checked against the schema in force, which is why it is not called. */
  @Column('text', { name: 'schema_problem', nullable: true })
  schemaProblem: string | null;

  @OneToOne(() => Resource, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'tools_resource_fkey' })
  resource?: Resource;
}
