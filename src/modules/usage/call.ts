import { hash } from 'node:crypto';
import type { Actor } from '../../platform/auth/actor.js';
import { canonicalJson } from '../../platform/json/canonical-json.js';
import type { Amount } from '../../platform/money/amount.js';

/** How a call came in. */
export const DOORS = ['rest', 'agent', 'mapping'] as const;
export type Door = (typeof DOORS)[number];

/** How a call ended. `unknown`: its process died before it could say. */
export type CallOutcome = 'ok' | 'tool_error' | 'upstream_error' | 'timeout' | 'cancelled' | 'denied' | 'unknown';

/** What an outcome counts: the table in docs/ledger.md. */
export const COUNTS: Record<CallOutcome, { request: 0 | 1; error: 0 | 1; isTimed: boolean; isCharged: boolean }> = {
  ok: { request: 1, error: 0, isTimed: true, isCharged: true },
  tool_error: { request: 1, error: 1, isTimed: true, isCharged: true },
  upstream_error: { request: 1, error: 1, isTimed: true, isCharged: false },
  timeout: { request: 1, error: 1, isTimed: true, isCharged: false },
  cancelled: { request: 1, error: 0, isTimed: false, isCharged: false },
  denied: { request: 0, error: 0, isTimed: false, isCharged: false },
  unknown: { request: 0, error: 0, isTimed: false, isCharged: false },
};

/** Where the time of a call goes, in milliseconds of the clock that never jumps. */
export interface CallTimes {
  readonly startedAt: number;
  /** Spent on upstreams, their queue included. */
  upstreamMs: number;
}

/** What is tried, by whom, and what it is charged to. */
export interface Attempt {
  actor: Actor;
  door: Door;
  organizationId: string;
  connectionId: string;
  /** Null where an admin acts directly, or no grant was asked. */
  workspaceId: string | null;
  workspaceAccessId: number | null;
  /** The one resource that the call counts on. */
  resourceId: number | null;
  /** Of the tool's resource row; null for anything but a tool. */
  toolId: number | null;
  operation: string;
  /** As the caller gave them: only their hash is kept. */
  arguments: unknown;
  /** The caller was told that there is no such thing: the row is for admins only. */
  isHidden: boolean;
  times: CallTimes;
}

/** A row of `open_calls` as far as both kinds of rows have it; times are ISO 8601 with milliseconds. */
export interface CallFacts {
  id: string;
  organization_id: string;
  workspace_id: string | null;
  workspace_access_id: number | null;
  connection_id: string;
  resource_id: number | null;
  tool_id: number | null;
  user_id: string | null;
  token_id: string | null;
  door: string;
  operation: string;
  started_at: string;
  reason: string;
  bytes_sent: number;
  request_id: string;
  address: string;
  arguments_hash: string;
  is_hidden: boolean;
}

/** A row of `calls`. */
export interface ClosedCall extends CallFacts {
  finished_at: string;
  outcome: CallOutcome;
  duration_us: number;
  bytes_received: number;
  cost: Amount;
}

/** @param reason why it is allowed or refused */
export function toFacts(id: string, attempt: Attempt, reason: string, bytesSent: number): CallFacts {
  const { actor } = attempt;
  return {
    id,
    organization_id: attempt.organizationId,
    workspace_id: attempt.workspaceId,
    workspace_access_id: attempt.workspaceAccessId,
    connection_id: attempt.connectionId,
    resource_id: attempt.resourceId,
    tool_id: attempt.toolId,
    user_id: actor.userId,
    token_id: actor.tokenId,
    door: attempt.door,
    operation: attempt.operation,
    started_at: new Date().toISOString(),
    reason,
    bytes_sent: bytesSent,
    request_id: actor.origin.requestId,
    address: actor.origin.address,
    arguments_hash: hash('sha256', canonicalJson(attempt.arguments ?? null), 'hex'),
    is_hidden: attempt.isHidden,
  };
}

/** Of a call that did nothing. */
export const NOTHING_DONE = { duration_us: 0, bytes_received: 0, cost: '0' };

/** Ends now. Written out, as an object of so many fields that is made by spreading others takes as long as its hash. */
export function closedCall(
  facts: CallFacts,
  reason: string,
  outcome: CallOutcome,
  end: Pick<ClosedCall, 'duration_us' | 'bytes_received' | 'cost'>,
): ClosedCall {
  return {
    id: facts.id,
    organization_id: facts.organization_id,
    workspace_id: facts.workspace_id,
    workspace_access_id: facts.workspace_access_id,
    connection_id: facts.connection_id,
    resource_id: facts.resource_id,
    tool_id: facts.tool_id,
    user_id: facts.user_id,
    token_id: facts.token_id,
    door: facts.door,
    operation: facts.operation,
    started_at: facts.started_at,
    reason,
    bytes_sent: facts.bytes_sent,
    request_id: facts.request_id,
    address: facts.address,
    arguments_hash: facts.arguments_hash,
    is_hidden: facts.is_hidden,
    finished_at: new Date().toISOString(),
    outcome,
    duration_us: end.duration_us,
    bytes_received: end.bytes_received,
    cost: end.cost,
  };
}

/** SHA-256 over all that the row says, so that a changed byte shows. */
export function digestOf(call: ClosedCall): Buffer {
  // prettier-ignore
  const text = JSON.stringify([
    call.id, call.organization_id, call.workspace_id, call.workspace_access_id, call.connection_id,
    call.resource_id, call.tool_id, call.user_id, call.token_id, call.door, call.operation, call.started_at,
    call.reason, call.bytes_sent, call.request_id, call.address, call.arguments_hash, call.is_hidden,
    call.finished_at, call.outcome, call.duration_us, call.bytes_received, call.cost,
  ]);
  return hash('sha256', text, 'buffer');
}

/** Of the calls that one link of the chain stands for, in the order of their ids. */
export function digestOfAll(calls: readonly ClosedCall[]): Buffer {
  return hash('sha256', Buffer.concat(calls.map(digestOf)), 'buffer');
}
