import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, Length, Matches } from 'class-validator';
import type { ItemWindow } from '../../mcp/provider-meta.js';
import { MayBeLeftOut } from '../../platform/http/body-rules.js';

/** Which items of a resource are wanted; servers that know nothing of it answer everything. */
export class ReadResource implements ItemWindow {
  @ApiPropertyOptional({
    format: 'date-time',
    example: '2026-11-25T08:00:00Z',
    description: 'Only what was updated at or after it: the `checkpoint` of an earlier answer',
  })
  @MayBeLeftOut()
  @Matches(/^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$/, {
    message: 'since must be a UTC time such as 2026-11-25T08:00:00Z',
  })
  since?: string;

  @ApiPropertyOptional({ description: 'The `next_cursor` of the answer before' })
  @MayBeLeftOut()
  @IsString()
  @Length(1, 4_096)
  cursor?: string;
}
