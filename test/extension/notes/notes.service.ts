import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../../../src/modules/audit/audit.service.js';
import { ConnectionsService } from '../../../src/modules/connections/connections.service.js';
import type { Actor } from '../../../src/platform/auth/actor.js';
import { Database } from '../../../src/platform/database/transaction.js';
import { IdempotencyService } from '../../../src/platform/http/idempotency/idempotency.service.js';
import { Page, readPage, type PageQuery } from '../../../src/platform/http/paging.js';
import { Note } from './note.entity.js';
import { toNoteResponse, type NoteResponse, type WriteNote } from './notes.dto.js';

@Injectable()
export class NotesService {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
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
    const { organizationId } = await this.connections.required(actor, connectionId, 'member');
    const note = { id: uuidv7(), connectionId, text: body.text };
    return this.database.transaction(async (transaction) => {
      await transaction.manager.insert(Note, note);
      const created = toNoteResponse(note);
      await this.idempotency.answer(transaction, actor, created);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'note.created',
        object: { type: 'note', id: note.id },
        after: { ...created, connection: connectionId },
      });
      return created;
    });
  }
}
