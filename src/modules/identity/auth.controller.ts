import { Body, Controller, Get, HttpCode, Post, Put } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor, Origin } from '../../platform/auth/actor.js';
import { CurrentActor, Public, RequestOrigin, Requires } from '../../platform/auth/decorators.js';
import { ShowsSecret } from '../../platform/http/idempotency/idempotent-operations.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { ChangePassword, Credentials, RefreshRequest, type MeResponse, type TokenPair } from './auth.dto.js';
import { ProfileService } from './profile.service.js';
import { SessionsService } from './sessions.service.js';

const TOKENS = {
  access_token: 'eyJhbGciOiJIUzI1NiJ9...',
  token_type: 'Bearer',
  expires_in: 3600,
  refresh_token: 'b2hJ...',
};
const ME = {
  id: '123e4567-e89b-12d3-a456-426614174222',
  kind: 'user',
  username: 'john.doe',
  is_operator: false,
  organizations: [{ id: '123e4567-e89b-12d3-a456-426614174111', name: 'Acme Corp', role: 'owner' }],
  workspaces: [
    {
      id: '123e4567-e89b-12d3-a456-426614174333',
      name: 'Product Development',
      organization: '123e4567-e89b-12d3-a456-426614174111',
      role: 'manager',
    },
  ],
};

@ApiTags('Authentication')
@Controller('api/v1/auth')
export class AuthController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly profile: ProfileService,
  ) {}

  @Public()
  @Post('login')
  @ShowsSecret()
  @HttpCode(200)
  @ApiOperation({ summary: 'Log in with user name and password' })
  @ApiExample(200, TOKENS)
  @ApiErrors(400, 401, 429)
  login(@RequestOrigin() origin: Origin, @Body() body: Credentials): Promise<TokenPair> {
    return this.sessions.login(origin, body);
  }

  @Public()
  @Post('refresh')
  @ShowsSecret()
  @HttpCode(200)
  @ApiOperation({ summary: 'Exchange a refresh token for new tokens; using one twice ends the session' })
  @ApiExample(200, TOKENS)
  @ApiErrors(400, 401, 429)
  refresh(@RequestOrigin() origin: Origin, @Body() body: RefreshRequest): Promise<TokenPair> {
    return this.sessions.refresh(origin, body.refresh_token);
  }

  @Requires('signed-in')
  @Post('logout')
  @ShowsSecret()
  @NoContent()
  @ApiOperation({ summary: 'End the session of this token' })
  logout(@CurrentActor() actor: Actor): Promise<void> {
    return this.sessions.logout(actor);
  }

  @Requires('signed-in')
  @Get('me')
  @ApiOperation({ summary: 'Who am I, and where may I work' })
  @ApiExample(200, ME)
  me(@CurrentActor() actor: Actor): Promise<MeResponse> {
    return this.profile.me(actor);
  }

  @Requires('signed-in')
  @Put('password')
  @NoContent()
  @ApiOperation({ summary: 'Change the own password; ends all sessions' })
  @ApiErrors(400)
  changePassword(@CurrentActor() actor: Actor, @Body() body: ChangePassword): Promise<void> {
    return this.sessions.changeOwnPassword(actor, body);
  }
}
