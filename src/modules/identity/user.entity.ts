import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

/** A person. */
@Entity('users')
@Index('users_username_key', { synchronize: false })
export class User {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'users_pkey' })
  id: string;

  /** Unique among living users, whatever its case (index `users_username_key`, see the migration). */
  @Column('text')
  username: string;

  @Column('text', { nullable: true })
  email: string | null;

  /** Argon2id; null for people who come from an OpenID provider only. */
  @Column('text', { name: 'password_hash', nullable: true })
  passwordHash: string | null;

  /** One of the people who run the installation. */
  @Column('boolean', { name: 'is_operator', default: false })
  isOperator: boolean;

  @Column('boolean', { name: 'is_active', default: true })
  isActive: boolean;

  /** Tokens issued before this moment are refused: set when all sessions of the user are ended. */
  @Column('timestamptz', { name: 'tokens_valid_from', nullable: true })
  tokensValidFrom: Date | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt: Date | null;
}
