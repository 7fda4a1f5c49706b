import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength, MinLength } from 'class-validator';
import { IsStorable } from '../../../src/platform/http/body-rules.js';
import type { Note } from './note.entity.js';

export class WriteNote {
  @ApiProperty({ example: 'Ask Jane before changing this' })
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(2_000)
  text: string;
}

export interface NoteResponse {
  id: string;
  text: string;
}

export function toNoteResponse(row: Pick<Note, 'id' | 'text'>): NoteResponse {
  return { id: row.id, text: row.text };
}
