import { sumOf, type Amount } from '../../platform/money/amount.js';
import { digestOfAll, COUNTS, type ClosedCall } from './call.js';

/** The totals that a batch of closed calls adds to one day; sums of bytes and microseconds stay exact integers. */
interface DayTotals {
  organization_id: string;
  workspace_id: string | null;
  connection_id: string;
  workspace_access_id: number | null;
  usage_date: string;
  request_count: number;
  error_count: number;
  denied_count: number;
  unknown_count: number;
  timed_count: number;
  response_time_us: number;
  data_transferred: number;
  cost: Amount;
}

interface GrantTotals {
  workspace_access_id: number;
  day: string;
  requests: number;
  cost: Amount;
  last_used: string;
}

/** What `ledger_close` writes for a batch, each list in the order of its keys so that replicas never wait in a circle. */
export interface Closing {
  usage: (DayTotals & { resource_id: number | null })[];
  tools: (DayTotals & { tool_id: number })[];
  grants: GrantTotals[];
  links: { organization_id: string; digest: string }[];
}

export function toClosing(calls: readonly ClosedCall[]): Closing {
  const usage = new Map<string, DayTotals & { resource_id: number | null }>();
  const tools = new Map<string, DayTotals & { tool_id: number }>();
  const grants = new Map<string, GrantTotals>();
  const links = new Map<string, ClosedCall[]>();
  for (const call of [...calls].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const day = call.started_at.slice(0, 10);
    const place = `${call.connection_id} ${day} ${sortable(call.workspace_access_id)}`;
    add(
      entry(usage, `${place} ${sortable(call.resource_id)}`, () => ({
        resource_id: call.resource_id,
        ...emptyDay(call, day),
      })),
      call,
    );
    const toolId = call.tool_id;
    // What counts on the tool itself is in the totals of its resource already.
    if (toolId !== null && toolId !== call.resource_id)
      add(
        entry(tools, `${place} ${sortable(toolId)}`, () => ({ tool_id: toolId, ...emptyDay(call, day) })),
        call,
      );
    const grantId = call.workspace_access_id;
    if (grantId !== null && COUNTS[call.outcome].request === 1) {
      const empty = { workspace_access_id: grantId, day, requests: 0, cost: '0', last_used: call.started_at };
      const totals = entry(grants, `${sortable(grantId)} ${day}`, () => empty);
      totals.requests += 1;
      totals.cost = sumOf(totals.cost, call.cost);
      if (call.started_at > totals.last_used) totals.last_used = call.started_at;
    }
    entry(links, call.organization_id, () => []).push(call);
  }
  return {
    usage: inOrder(usage),
    tools: inOrder(tools),
    grants: inOrder(grants),
    links: [...links]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([organization_id, of]) => ({ organization_id, digest: digestOfAll(of).toString('hex') })),
  };
}

function add(totals: DayTotals, call: ClosedCall): void {
  const { request, error, isTimed } = COUNTS[call.outcome];
  totals.request_count += request;
  totals.error_count += error;
  if (call.outcome === 'denied') totals.denied_count += 1;
  if (call.outcome === 'unknown') totals.unknown_count += 1;
  if (isTimed) {
    totals.timed_count += 1;
    totals.response_time_us += call.duration_us;
  }
  totals.data_transferred += call.bytes_sent + call.bytes_received;
  totals.cost = sumOf(totals.cost, call.cost);
}

function emptyDay(call: ClosedCall, day: string): DayTotals {
  return {
    organization_id: call.organization_id,
    workspace_id: call.workspace_id,
    connection_id: call.connection_id,
    workspace_access_id: call.workspace_access_id,
    usage_date: day,
    request_count: 0,
    error_count: 0,
    denied_count: 0,
    unknown_count: 0,
    timed_count: 0,
    response_time_us: 0,
    data_transferred: 0,
    cost: '0',
  };
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = make()));
  return found;
}

function inOrder<T>(map: Map<string, T>): T[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}

/** Numbers in the order of their text; PostgreSQL's integers have ten digits at most. */
function sortable(id: number | null): string {
  return String(id ?? 0).padStart(10, '0');
}
