import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { isServerTrouble } from '../../mcp/circuit.js';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError, type ServerDescription } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { Page, readPage, type PageQuery } from '../../platform/http/paging.js';
import { ConnectionCheck, type CheckTrigger } from './connection-check.entity.js';
import { ConnectionTargetsService } from './connection-targets.service.js';
import { toCheckResponse, type CheckResponse, type CheckRow } from './connections.dto.js';
import { ConnectionsService } from './connections.service.js';

/** So many of a connection are kept. */
const KEPT = 500;
/** Of the least interval, after failures one after the other: twice, four times, eight times as long. */
const MOST_DOUBLINGS = 3;

/** What a look at a server has shown: what it says of itself, or why it can't be used. */
export type Finding = { server: ServerDescription } | { error: UpstreamError | DomainError };

/** Nothing, where it was edited since a look began: what was found is of another connection, so to say. */
const HOLD = `
  SELECT failed_checks FROM connections
   WHERE id = $1 AND deleted_at IS NULL AND ($2::timestamptz IS NULL OR updated_at <= $2) FOR NO KEY UPDATE`;
/** That others were told of: a test that fails is told to nobody. */
const LATEST = `
  SELECT reason FROM connection_checks WHERE connection_id = $1 AND (trigger = 'schedule' OR reason IS NULL)
   ORDER BY id DESC LIMIT 1`;
/** What was our own doing says nothing of the server. */
const SAYS_NOTHING: ReadonlySet<string> = new Set(['closed', 'cancelled', 'busy', 'circuit_open']);
const INSERT = `
  INSERT INTO connection_checks (id, connection_id, trigger, reason, latency_ms)
  SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (
    SELECT 1 FROM connection_checks WHERE connection_id = $2 AND checked_at > $6::timestamptz) RETURNING id`;
const PRUNE = `
  DELETE FROM connection_checks WHERE connection_id = $1 AND id <= (
    SELECT id FROM connection_checks WHERE connection_id = $1 ORDER BY id DESC OFFSET ${KEPT} LIMIT 1)`;
/** A tenth earlier or later, so that connections of one moment spread; less often while it fails, but once an hour. */
const COUNT = `
  UPDATE connections
     SET failed_checks = $2, next_check_at = now() + (0.9 + 0.2 * random()) * interval '1 s' *
           LEAST(health_check_interval * 2 ^ LEAST(GREATEST($2 - 1, 0), ${MOST_DOUBLINGS}), GREATEST(health_check_interval, 3600))
   WHERE id = $1`;

/** Looks whether the server of a connection works, and keeps what was found. */
@Injectable()
export class ConnectionChecksService {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly targets: ConnectionTargetsService,
    private readonly pool: UpstreamPool,
  ) {}

  /**
   * Through a session of its own, which for a local server is a process of its own.
   * @param longestMs where the connection itself allows for more
   * @throws DomainError 404
   */
  async look(id: string, longestMs = Infinity, signal?: AbortSignal): Promise<Finding> {
    try {
      const target = await this.targets.forInspection(id);
      const timeoutMs = Math.min(target.timeoutMs, longestMs);
      return { server: await this.pool.probe({ ...target, timeoutMs }, { signal }) };
    } catch (error) {
      if (error instanceof UpstreamError || (error instanceof DomainError && error.code !== 'resource_not_found'))
        return { error };
      throw error;
    }
  }

  /**
   * @param since nothing is recorded where somebody else looked, or edited the connection, after this moment (of the database's
   *   clock)
   * @returns whether the server is in trouble, and was not when somebody looked before
   */
  async record(
    transaction: Transaction,
    id: string,
    finding: Finding,
    trigger: CheckTrigger,
    since: Date | null = null,
  ): Promise<boolean> {
    const reason = 'error' in finding ? reasonOf(finding.error) : null;
    if (reason !== null && SAYS_NOTHING.has(reason)) return false;
    const { manager } = transaction;
    const [known] = await manager.query<{ failed_checks: number }[]>(HOLD, [id, since]);
    if (!known) return false;
    const [before] = await manager.query<{ reason: string | null }[]>(LATEST, [id]);
    const latencyMs = 'server' in finding ? Math.round(finding.server.latencyMs) : null;
    const recorded = await manager.query<unknown[]>(INSERT, [uuidv7(), id, trigger, reason, latencyMs, since]);
    if (recorded.length === 0) return false;
    await manager.query(PRUNE, [id]);
    await manager.query(COUNT, [id, reason === null ? 0 : known.failed_checks + 1]);
    await this.connections.recordContact(id, reason === null, transaction);
    return isTrouble(reason) && !isTrouble(before?.reason ?? null);
  }

  /** Whether looking at it starts a process. So is what can't be looked at at all. */
  async isProcess(id: string): Promise<boolean> {
    try {
      return (await this.targets.forInspection(id)).transport.type === 'stdio';
    } catch (error) {
      if (error instanceof DomainError) return true;
      throw error;
    }
  }

  /** Newest first. @throws DomainError 404 */
  async list(actor: Actor, id: string, page: PageQuery): Promise<Page<CheckResponse>> {
    await this.connections.get(actor, id);
    const rows = this.database.manager
      .createQueryBuilder(ConnectionCheck, 'k')
      .where('k.connection_id = :id', { id })
      .select(['k.id AS id', 'k.trigger AS trigger', 'k.reason AS reason'])
      .addSelect(['k.latency_ms AS latency_ms', 'k.checked_at AS checked_at']);
    return (await readPage<CheckRow, ConnectionCheck>(rows, 'k.id', page, 'uuid', 'newest')).map(toCheckResponse);
  }
}

function isTrouble(reason: string | null): boolean {
  return reason !== null && isServerTrouble(reason);
}

/** UpstreamReason, or a code of ours. */
export function reasonOf(error: UpstreamError | DomainError): string {
  return error instanceof UpstreamError ? error.reason : error.code;
}
