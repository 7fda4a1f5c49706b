import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { WorkspaceAccessModule } from '../workspace-access/workspace-access.module.js';
import { BudgetsController } from './budgets.controller.js';
import { BudgetsService } from './budgets.service.js';
import { CallMetrics } from './call-metrics.js';
import { CallsController } from './calls.controller.js';
import { CallsService } from './calls.service.js';
import { CallsTrail } from './calls-trail.js';
import { LedgerMonthsService } from './ledger-months.service.js';
import { LedgerService } from './ledger.service.js';
import { LedgerWriter } from './ledger-writer.service.js';
import { LostCallsService } from './lost-calls.service.js';
import { UsageController } from './usage.controller.js';
import { UsageService } from './usage.service.js';
import { UsageSummaryService } from './usage-summary.service.js';

/** What calls did and what they cost. */
@Module({
  imports: [AuditModule, WorkspaceAccessModule],
  controllers: [UsageController, CallsController, BudgetsController],
  providers: [
    BudgetsService,
    CallMetrics,
    CallsService,
    CallsTrail,
    LedgerMonthsService,
    LedgerService,
    LedgerWriter,
    LostCallsService,
    UsageService,
    UsageSummaryService,
  ],
  exports: [LedgerService],
})
export class UsageModule {}
