import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { User } from './user.entity.js';
import { Workspace } from './workspace.entity.js';

/** The right of an agent to act in one workspace. The JWT itself is not stored: it names this row. */
@Entity('workspace_tokens')
@Index('workspace_tokens_workspace_idx', ['workspaceId', 'id'])
export class WorkspaceToken {
  /** `jti` of the JWT. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'workspace_tokens_pkey' })
  id: string;

  @Column('uuid', { name: 'workspace_id' })
  workspaceId: string;

  @Column('text')
  name: string;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt: Date;

  /** To the minute. */
  @Column('timestamptz', { name: 'last_used', nullable: true })
  lastUsed: Date | null;

  /** A tombstone: what it did keeps its id. */
  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt: Date | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('uuid', { name: 'created_by', nullable: true })
  createdById: string | null;

  @ManyToOne(() => Workspace, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'workspace_id', foreignKeyConstraintName: 'workspace_tokens_workspace_fkey' })
  workspace?: Workspace;

  @ManyToOne(() => User, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'created_by', foreignKeyConstraintName: 'workspace_tokens_created_by_fkey' })
  createdBy?: User | null;
}
