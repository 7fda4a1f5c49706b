import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import { CreateUser, SetPassword, UpdateUser, type UserResponse } from './users.dto.js';
import { UsersService } from './users.service.js';

const USER = {
  id: '123e4567-e89b-12d3-a456-426614174222',
  username: 'john.doe',
  email: 'john@acme.example',
  is_operator: false,
  is_active: true,
  created_at: '2023-07-01T12:00:00Z',
};
const userId = new UuidParameter('user');

@ApiTags('Users')
@Requires('operator')
@Controller('api/v1/users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Get()
  @ApiOperation({ summary: 'List users' })
  @ApiExample(200, [USER])
  list(@Query() page: PageQuery): Promise<Page<UserResponse>> {
    return this.users.list(page);
  }

  @Post()
  @ApiOperation({ summary: 'Create a user' })
  @ApiExample(201, USER)
  @ApiErrors(400, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateUser): Promise<UserResponse> {
    return this.users.create(actor, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a user' })
  @ApiExample(200, USER)
  @ApiErrors(404)
  get(@Param('id', userId) id: string): Promise<UserResponse> {
    return this.users.get(id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a user' })
  @ApiExample(200, USER)
  @ApiErrors(400, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', userId) id: string,
    @Body() body: UpdateUser,
  ): Promise<UserResponse> {
    return this.users.update(actor, id, body);
  }

  @Put(':id/password')
  @NoContent()
  @ApiOperation({ summary: 'Set a password; ends all sessions of the user' })
  @ApiErrors(400, 404)
  setPassword(@CurrentActor() actor: Actor, @Param('id', userId) id: string, @Body() body: SetPassword): Promise<void> {
    return this.users.setPassword(actor, id, body.password);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Delete a user' })
  @ApiErrors(404, 409)
  remove(@CurrentActor() actor: Actor, @Param('id', userId) id: string): Promise<void> {
    return this.users.remove(actor, id);
  }
}
