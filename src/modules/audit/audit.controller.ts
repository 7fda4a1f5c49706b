import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import type { Page } from '../../platform/http/paging.js';
import { AuditTrailService } from './audit-trail.service.js';
import type { TrailRecord } from './audit-trails.js';
import { ListAudit, VerifyAudit, type VerificationResponse } from './audit.dto.js';
import { VerificationService } from './verification.service.js';

const RECORD = {
  id: '01895f0e-7a2b-7c3d-9e4f-5a6b7c8d9e0f',
  trail: 'changes',
  recorded_at: '2023-07-14T11:00:00.000Z',
  organization: '123e4567-e89b-12d3-a456-426614174111',
  actor: { type: 'user', id: '123e4567-e89b-12d3-a456-426614174222', name: 'john.doe' },
  action: 'connection.updated',
  object: { type: 'connection', id: '123e4567-e89b-12d3-a456-426614174000' },
  before: { connection_name: 'Jira' },
  after: { connection_name: 'Acme Jira' },
  address: '203.0.113.7',
  request_id: '0f5f1c8e-3a2a-4a39-8f2e-0d6b1f0a7c11',
  seq: 17,
};
const VERIFICATION = {
  valid: true,
  checked: 1250,
  chains: [
    {
      organization: '123e4567-e89b-12d3-a456-426614174111',
      trail: 'changes',
      seq: 17,
      hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      head: 'head.123e4567-e89b-12d3-a456-426614174111.changes.17.9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.k1.c2lnbmF0dXJl',
    },
  ],
  problems: [],
};

@ApiTags('Audit')
@Requires('signed-in')
@Controller('api/v1/mcp/audit')
export class AuditController {
  constructor(
    private readonly trail: AuditTrailService,
    private readonly verification: VerificationService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'What happened: changes and calls, newest first' })
  @ApiExample(200, [RECORD])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListAudit): Promise<Page<TrailRecord>> {
    return this.trail.list(actor, query);
  }

  @Get('verify')
  @ApiOperation({
    summary: 'Check that the trail is what was written, also against a signed head that was kept elsewhere',
  })
  @ApiExample(200, VERIFICATION)
  @ApiErrors(400, 403, 404)
  verify(
    @CurrentActor() actor: Actor,
    @Query() query: VerifyAudit,
    @ClientGone() signal: CancelSignal,
  ): Promise<VerificationResponse> {
    return this.verification.verify(actor, query, signal);
  }
}
