import { Module } from '@nestjs/common';
import { AuditController } from './audit.controller.js';
import { AuditHeadsService } from './audit-heads.service.js';
import { AuditService } from './audit.service.js';
import { AuditTrailService } from './audit-trail.service.js';
import { ChangesTrail } from './changes-trail.js';
import { RetirementService } from './retirement.service.js';
import { VerificationService } from './verification.service.js';

/** What happened: every change and every call, chained so that tampering shows. */
@Module({
  controllers: [AuditController],
  providers: [AuditHeadsService, AuditService, AuditTrailService, ChangesTrail, RetirementService, VerificationService],
  exports: [AuditHeadsService, AuditService, AuditTrailService, RetirementService],
})
export class AuditModule {}
