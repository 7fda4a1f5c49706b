import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsEmail, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import { MayBeLeftOut } from '../../platform/http/body-rules.js';
import { LONGEST_PASSWORD, SHORTEST_PASSWORD } from './auth.dto.js';
import type { User } from './user.entity.js';

const USERNAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;

export class CreateUser {
  @ApiProperty({ example: 'jane.roe' })
  @IsString()
  @Matches(USERNAME, {
    message: 'username must be 1 to 128 letters, digits or . _ @ + - and begin with a letter or digit',
  })
  username: string;

  @ApiPropertyOptional({ format: 'password', description: 'Left out for people who come from the OpenID provider' })
  @MayBeLeftOut()
  @IsString()
  @MinLength(SHORTEST_PASSWORD)
  @MaxLength(LONGEST_PASSWORD)
  password?: string;

  @ApiPropertyOptional({ example: 'jane@acme.example' })
  @MayBeLeftOut()
  @IsEmail()
  email?: string;

  @ApiPropertyOptional({ default: false })
  @MayBeLeftOut()
  @IsBoolean()
  is_operator?: boolean;
}

export class UpdateUser {
  @ApiPropertyOptional({ example: 'jane@acme.example' })
  @MayBeLeftOut()
  @IsEmail()
  email?: string;

  @ApiPropertyOptional()
  @MayBeLeftOut()
  @IsBoolean()
  is_operator?: boolean;

  @ApiPropertyOptional({ description: 'False ends all sessions and refuses new ones' })
  @MayBeLeftOut()
  @IsBoolean()
  is_active?: boolean;
}

export class SetPassword {
  @ApiProperty({ format: 'password' })
  @IsString()
  @MinLength(SHORTEST_PASSWORD)
  @MaxLength(LONGEST_PASSWORD)
  password: string;
}

/** A user as other answers name one. */
export interface UserReference {
  id: string;
  username: string;
}

export interface UserResponse extends UserReference {
  email: string | null;
  is_operator: boolean;
  is_active: boolean;
  created_at: string;
}

export type UserRow = Pick<User, 'id' | 'username' | 'email'> & {
  is_operator: boolean;
  is_active: boolean;
  created_at: Date;
};

export function toUserResponse(row: UserRow): UserResponse {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    is_operator: row.is_operator,
    is_active: row.is_active,
    created_at: row.created_at.toISOString(),
  };
}
