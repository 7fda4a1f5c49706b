import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Resource } from '../discovery/resource.entity.js';
import type { Mark } from './policy/facts.js';
import { WorkspaceAccess } from './workspace-access.entity.js';

/** A resource that is marked in a grant; what is below it follows, unless it is marked itself. */
@Entity('workspace_access_resources')
@Index('workspace_access_resources_resource_idx', ['resourceId'])
export class WorkspaceAccessResource {
  @PrimaryColumn('integer', {
    name: 'workspace_access_id',
    primaryKeyConstraintName: 'workspace_access_resources_pkey',
  })
  workspaceAccessId: number;

  @PrimaryColumn('integer', { name: 'resource_id', primaryKeyConstraintName: 'workspace_access_resources_pkey' })
  resourceId: number;

  @Column('text')
  state: Mark;

  @ManyToOne(() => WorkspaceAccess, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'workspace_access_id', foreignKeyConstraintName: 'workspace_access_resources_access_fkey' })
  workspaceAccess?: WorkspaceAccess;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'workspace_access_resources_resource_fkey' })
  resource?: Resource;
}
