import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../../src/platform/auth/actor.js';
import { CurrentActor, Requires } from '../../../src/platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../../src/platform/http/openapi.js';
import { Page, PageQuery } from '../../../src/platform/http/paging.js';
import { UuidParameter } from '../../../src/platform/http/parameters.js';
import { WriteNote, type NoteResponse } from './notes.dto.js';
import { NotesService } from './notes.service.js';

const NOTE = { id: '01890f5e-7c3a-7cc4-9c2e-3a1f0f3b9d11', text: 'Ask Jane before changing this' };
const connectionId = new UuidParameter('connection');

@ApiTags('Notes')
@Requires('signed-in')
@Controller('api/v1/mcp/connections/:id/notes')
export class NotesController {
  constructor(private readonly notes: NotesService) {}

  @Get()
  @ApiOperation({ summary: 'List the notes about a connection' })
  @ApiExample(200, [NOTE])
  @ApiErrors(404)
  list(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Query() page: PageQuery,
  ): Promise<Page<NoteResponse>> {
    return this.notes.list(actor, id, page);
  }

  @Post()
  @ApiOperation({ summary: 'Write a note about a connection' })
  @ApiExample(201, NOTE)
  @ApiErrors(400, 404)
  create(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Body() body: WriteNote,
  ): Promise<NoteResponse> {
    return this.notes.create(actor, id, body);
  }
}
