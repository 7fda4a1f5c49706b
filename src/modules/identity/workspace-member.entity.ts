import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { WorkspaceRole } from '../../platform/auth/actor.js';
import { User } from './user.entity.js';
import { Workspace } from './workspace.entity.js';

/** A user in a workspace; always a member of its organization too. */
@Entity('workspace_members')
@Index('workspace_members_user_idx', ['userId'])
export class WorkspaceMember {
  @PrimaryColumn('uuid', { name: 'workspace_id', primaryKeyConstraintName: 'workspace_members_pkey' })
  workspaceId: string;

  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'workspace_members_pkey' })
  userId: string;

  @Column('text')
  role: WorkspaceRole;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @ManyToOne(() => Workspace, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'workspace_id', foreignKeyConstraintName: 'workspace_members_workspace_fkey' })
  workspace?: Workspace;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'workspace_members_user_fkey' })
  user?: User;
}
