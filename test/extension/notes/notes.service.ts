import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { ConnectionsService } from '../../../src/modules/connections/connections.service.js';
import type { Actor } from '../../../src/platform/auth/actor.js';
import { Database } from '../../../src/platform/database/transaction.js';
import { Page, readPage, type PageQuery } from '../../../src/platform/http/paging.js';
import { Note } from './note.entity.js';
import { toNoteResponse, type NoteResponse, type WriteNote } from './notes.dto.js';

@Injectable()
export class NotesService {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
  ) {}

  async list(actor: Actor, connectionId: string, page: PageQuery): Promise<Page<NoteResponse>> {
    await this.connections.required(actor, connectionId, 'member');
    const rows = this.database.manager
      .createQueryBuilder(Note, 'n')
      .select(['n.id AS id', 'n.text AS text'])
      .where('n.connection_id = :connectionId', { connectionId });
    return (await readPage<Note, Note>(rows, 'n.id', page, 'uuid')).map(toNoteResponse);
  }

  async create(actor: Actor, connectionId: string, body: WriteNote): Promise<NoteResponse> {
    await this.connections.required(actor, connectionId, 'member');
    const note = { id: uuidv7(), connectionId, text: body.text };
    await this.database.manager.insert(Note, note);
    return toNoteResponse(note);
  }
}
