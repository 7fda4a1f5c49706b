import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../../platform/auth/actor.js';
import { Database } from '../../platform/database/transaction.js';
import { invalid, notFound } from '../../platform/http/domain-error.js';
import { AuditService } from '../audit/audit.service.js';
import { WorkspaceAccessService } from '../workspace-access/workspace-access.service.js';
import { toBudgetResponse, type BudgetResponse, type BudgetRow, type SetBudget } from './budgets.dto.js';

const TODAY = "(now() AT TIME ZONE 'UTC')::date";

const READ = `
  SELECT b.workspace_access_id, b.period, b.max_requests::float8 AS max_requests, b.max_cost::text AS max_cost, b.action,
         COALESCE(w.requests, 0)::float8 AS requests, COALESCE(w.cost, 0)::text AS cost,
         COALESCE(w.reserved_requests, 0)::float8 AS reserved_requests, COALESCE(w.reserved_cost, 0)::text AS reserved_cost,
         to_char(budget_window_end(b.period, ${TODAY}), 'YYYY-MM-DD') AS resets_on
    FROM budgets b
    LEFT JOIN budget_windows w ON w.workspace_access_id = b.workspace_access_id AND w.period = b.period
                              AND w.window_start = budget_window_start(b.period, ${TODAY})
   WHERE b.workspace_access_id = $1`;

const SET = `
  INSERT INTO budgets (workspace_access_id, period, max_requests, max_cost, action) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (workspace_access_id) DO UPDATE
    SET period = EXCLUDED.period, max_requests = EXCLUDED.max_requests, max_cost = EXCLUDED.max_cost, action = EXCLUDED.action`;

/** What was spent so far in the period, for a budget that begins in the middle of it. */
const FILL = `
  INSERT INTO budget_windows (workspace_access_id, period, window_start, requests, cost)
  SELECT $1, $2, budget_window_start($2, ${TODAY}), COALESCE(sum(request_count), 0), COALESCE(sum(cost), 0)
    FROM usage_records
   WHERE workspace_access_id = $1 AND usage_date >= budget_window_start($2, ${TODAY})
     AND usage_date < budget_window_end($2, ${TODAY})
  ON CONFLICT (workspace_access_id, period, window_start) DO UPDATE
    SET requests = EXCLUDED.requests, cost = EXCLUDED.cost`;

/** Calls that are under way hold what they may come to, by whatever budget they began under. */
const ADOPT = [
  `UPDATE open_calls SET budget_period = $2, budget_window = budget_window_start($2, (started_at AT TIME ZONE 'UTC')::date)
    WHERE workspace_access_id = $1`,
  'UPDATE budget_windows SET reserved_requests = 0, reserved_cost = 0 WHERE workspace_access_id = $1',
  `INSERT INTO budget_windows AS w (workspace_access_id, period, window_start, reserved_requests, reserved_cost)
   SELECT workspace_access_id, budget_period, budget_window, count(*), sum(reserved_cost) FROM open_calls
    WHERE workspace_access_id = $1 GROUP BY 1, 2, 3
   ON CONFLICT (workspace_access_id, period, window_start) DO UPDATE
     SET reserved_requests = EXCLUDED.reserved_requests, reserved_cost = EXCLUDED.reserved_cost`,
] as const;

/** What a grant may use up in a period. The ledger holds calls against it, see `ledger_open` and `ledger_close`. */
@Injectable()
export class BudgetsService {
  constructor(
    private readonly database: Database,
    private readonly access: WorkspaceAccessService,
    private readonly audit: AuditService,
  ) {}

  async get(actor: Actor, id: number): Promise<BudgetResponse> {
    await this.access.readable(actor, id);
    return required(await read(this.database.manager, id), id);
  }

  async set(actor: Actor, id: number, body: SetBudget): Promise<BudgetResponse> {
    const { organizationId } = await this.access.editable(actor, id);
    const { period, action, max_requests: maxRequests = null, max_cost: maxCost = null } = body;
    if (maxRequests === null && maxCost === null)
      throw invalid({ max_requests: ['max_requests or max_cost must be given'] });
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      // No call begins or ends meanwhile. Before the grant: calls that end lock them in this order.
      await manager.query('LOCK TABLE open_calls IN SHARE ROW EXCLUSIVE MODE');
      await lockGrant(manager, organizationId, id);
      const before = await read(manager, id);
      await manager.query(SET, [id, period, maxRequests, maxCost, action]);
      await manager.query(FILL, [id, period]);
      const [mark, reset, hold] = ADOPT;
      await manager.query(mark, [id, period]);
      for (const statement of [reset, hold]) await manager.query(statement, [id]);
      const after = required(await read(manager, id), id);
      const object = { type: 'workspace_access', id };
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'budget.set',
        object,
        before: before && limitsOf(before),
        after: limitsOf(after),
      });
      if (after.exhausted)
        await this.audit.record(transaction, null, {
          organizationId,
          action: 'budget.reached',
          object,
          after: { period },
        });
      return after;
    });
  }

  async remove(actor: Actor, id: number): Promise<void> {
    const { organizationId } = await this.access.editable(actor, id);
    await this.database.transaction(async (transaction) => {
      await lockGrant(transaction.manager, organizationId, id);
      const before = required(await read(transaction.manager, id), id);
      await transaction.manager.query('DELETE FROM budgets WHERE workspace_access_id = $1', [id]);
      const object = { type: 'workspace_access', id };
      const change = { organizationId, action: 'budget.removed', object, before: limitsOf(before) };
      await this.audit.record(transaction, actor, change);
    });
  }
}

/** The ledger locks it too when calls end: their totals are counted here or seen there, never both and never neither. */
async function lockGrant(manager: EntityManager, organizationId: string, id: number): Promise<void> {
  const rows = await manager.query<unknown[]>(
    'SELECT 1 FROM workspace_access WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL FOR UPDATE',
    [id, organizationId],
  );
  if (rows.length === 0) throw notFound('workspace_access', id);
}

async function read(manager: EntityManager, id: number): Promise<BudgetResponse | null> {
  const [row] = await manager.query<BudgetRow[]>(READ, [id]);
  return row ? toBudgetResponse(row) : null;
}

function required(budget: BudgetResponse | null, id: number): BudgetResponse {
  if (!budget) throw notFound('budget', id);
  return budget;
}

function limitsOf({ period, max_requests, max_cost, action }: BudgetResponse): Record<string, unknown> {
  return { period, max_requests, max_cost, action };
}
