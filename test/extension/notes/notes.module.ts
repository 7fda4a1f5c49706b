import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../../src/modules/audit/audit.module.js';
import { ConnectionsModule } from '../../../src/modules/connections/connections.module.js';
import { Note } from './note.entity.js';
import { NotesController } from './notes.controller.js';
import { NotesService } from './notes.service.js';

/** What people want to remember about connections. */
@Module({
  imports: [TypeOrmModule.forFeature([Note]), AuditModule, ConnectionsModule],
  controllers: [NotesController],
  providers: [NotesService],
})
export class NotesModule {}
