import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import type { Actor } from '../../platform/auth/actor.js';
import { cappedCount } from '../../platform/database/capped-count.js';
import { Conditions } from '../../platform/database/conditions.js';
import { Database } from '../../platform/database/transaction.js';
import { checkedRange } from '../../platform/http/day-range.js';
import { invalid, notFound } from '../../platform/http/domain-error.js';
import { MOST_COUNTED, Page } from '../../platform/http/paging.js';
import { addDays, CALL_FIELDS } from './call-rows.js';
import { toCallResponse, type CallResponse, type CallRowWithNames, type ListCalls } from './calls.dto.js';
import { callsVisibleTo, visibleRows } from './history-scope.js';

const NAMED = `SELECT c.*, r.resource_name, r.resource_type, t.resource_name AS tool_name, n.connection_name`;
const NAMES = `
  LEFT JOIN resources r ON r.id = c.resource_id LEFT JOIN resources t ON t.id = c.tool_id
  LEFT JOIN connections n ON n.id = c.connection_id`;

/** The ledger, call by call. */
@Injectable()
export class CallsService {
  constructor(private readonly database: Database) {}

  /** Newest first; calls that are under way have no outcome yet. */
  async list(actor: Actor, query: ListCalls): Promise<Page<CallResponse>> {
    const scope = callsVisibleTo(actor);
    const [rows, total] = await Promise.all([this.read(scope, query), this.count(scope, query)]);
    const shown = rows.slice(0, query.limit);
    const next = rows.length > query.limit ? (shown.at(-1)?.id ?? null) : null;
    return new Page(shown.map(toCallResponse), total, next);
  }

  async get(actor: Actor, id: string): Promise<CallResponse> {
    const where = new Conditions().add('id = ?', id);
    const visible = visibleRows(
      callsVisibleTo(actor),
      where,
      (condition) => `SELECT ${CALL_FIELDS} FROM call_attempts WHERE ${where.text} AND ${condition}`,
    );
    const [row] = await this.database.manager.query<CallRowWithNames[]>(
      `${NAMED} FROM (${visible}) c ${NAMES} LIMIT 1`,
      where.values,
    );
    if (!row) throw notFound('call', id);
    return toCallResponse(row);
  }

  private read(scope: ReturnType<typeof callsVisibleTo>, query: ListCalls): Promise<CallRowWithNames[]> {
    const where = conditions(query);
    if (query.cursor !== undefined) where.add('id < ?', decodeCursor(query.cursor));
    const limit = where.value(query.limit + 1);
    const newest = (rows: string): string => `${rows} ORDER BY id DESC LIMIT ${limit}`;
    const visible = visibleRows(scope, where, (condition) =>
      newest(`SELECT ${CALL_FIELDS} FROM call_attempts WHERE ${where.text} AND ${condition}`),
    );
    return this.database.manager.query(
      `${NAMED} FROM (${newest(`SELECT * FROM (${visible}) v`)}) c ${NAMES} ORDER BY c.id DESC`,
      where.values,
    );
  }

  private async count(scope: ReturnType<typeof callsVisibleTo>, query: ListCalls): Promise<number> {
    const where = conditions(query);
    return cappedCount(this.database.manager, where, MOST_COUNTED, (limit) =>
      visibleRows(
        scope,
        where,
        (condition) => `SELECT 1 FROM call_attempts WHERE ${where.text} AND ${condition} LIMIT ${limit}`,
      ),
    );
  }
}

function conditions(query: ListCalls): Conditions {
  const where = new Conditions();
  if (query.workspace !== undefined) where.add('workspace_id = ?', query.workspace);
  if (query.workspace_access !== undefined) where.add('workspace_access_id = ?', query.workspace_access);
  if (query.connection !== undefined) where.add('connection_id = ?', query.connection);
  if (query.resource !== undefined) where.add('resource_id = ?', query.resource);
  if (query.actor !== undefined) where.add('COALESCE(token_id, user_id) = ?', query.actor);
  if (query.outcome !== undefined) where.add('outcome = ?', query.outcome);
  if (query.outcome !== undefined && query.outcome !== 'ok') where.add("outcome <> 'ok'");
  if (query.door !== undefined) where.add('door = ?', query.door);
  if (query.request_id !== undefined) where.add('request_id = ?', query.request_id);
  addDays(where, checkedRange(query));
  return where;
}

function decodeCursor(cursor: string): string {
  if (!isUuid(cursor)) throw invalid({ cursor: ['cursor must come from the Link header of this list'] });
  return cursor;
}
