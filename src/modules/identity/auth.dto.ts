import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength, MinLength } from 'class-validator';
import type { Actor } from '../../platform/auth/actor.js';

export const SHORTEST_PASSWORD = 8;
/** Argon2 would take any length; nobody needs more, and it is work for us. */
export const LONGEST_PASSWORD = 256;

export class Credentials {
  @ApiProperty({ example: 'admin' })
  @IsString()
  @MinLength(1)
  @MaxLength(255)
  username: string;

  @ApiProperty({ format: 'password', example: 'correct horse battery staple' })
  @IsString()
  @MinLength(1)
  @MaxLength(LONGEST_PASSWORD)
  password: string;
}

export class RefreshRequest {
  @ApiProperty({ description: 'From the login or the last refresh; works once' })
  @IsString()
  @MinLength(1)
  @MaxLength(200)
  refresh_token: string;
}

export class ChangePassword {
  @ApiProperty({ format: 'password' })
  @IsString()
  @MaxLength(LONGEST_PASSWORD)
  current_password: string;

  @ApiProperty({ format: 'password', minLength: SHORTEST_PASSWORD, maxLength: LONGEST_PASSWORD })
  @IsString()
  @MinLength(SHORTEST_PASSWORD)
  @MaxLength(LONGEST_PASSWORD)
  new_password: string;
}

export interface TokenPair {
  access_token: string;
  token_type: 'Bearer';
  /** Seconds. */
  expires_in: number;
  refresh_token: string;
}

export interface MeResponse {
  /** Of the user, or of the workspace token. */
  id: string;
  kind: 'user' | 'workspace_token';
  username: string;
  is_operator: boolean;
  organizations: { id: string; name: string; role: string }[];
  workspaces: { id: string; name: string; organization: string; role: string }[];
}

interface Named {
  id: string;
  name: string;
}

export function toMeResponse(actor: Actor, organizations: readonly Named[], workspaces: readonly Named[]): MeResponse {
  const nameIn = (list: readonly Named[], id: string): string => list.find((row) => row.id === id)?.name ?? '';
  return {
    id: actor.userId ?? actor.tokenId ?? '',
    kind: actor.userId === null ? 'workspace_token' : 'user',
    username: actor.username,
    is_operator: actor.isOperator,
    organizations: [...actor.organizations].map(([id, role]) => ({ id, name: nameIn(organizations, id), role })),
    workspaces: [...actor.workspaces].map(([id, { organizationId, role }]) => ({
      id,
      name: nameIn(workspaces, id),
      organization: organizationId,
      role,
    })),
  };
}
