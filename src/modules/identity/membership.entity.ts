import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { OrganizationRole } from '../../platform/auth/actor.js';
import { Organization } from './organization.entity.js';
import { User } from './user.entity.js';

/** A user in an organization. */
@Entity('memberships')
@Index('memberships_user_idx', ['userId'])
export class Membership {
  @PrimaryColumn('uuid', { name: 'organization_id', primaryKeyConstraintName: 'memberships_pkey' })
  organizationId: string;

  @PrimaryColumn('uuid', { name: 'user_id', primaryKeyConstraintName: 'memberships_pkey' })
  userId: string;

  @Column('text')
  role: OrganizationRole;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @ManyToOne(() => Organization, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'organization_id', foreignKeyConstraintName: 'memberships_organization_fkey' })
  organization?: Organization;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'memberships_user_fkey' })
  user?: User;
}
