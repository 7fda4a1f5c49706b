import { averageSeconds, type UsageRow } from './usage.dto.js';

type Cell = string | number | null;

const COLUMNS: Record<string, (row: UsageRow) => Cell> = {
  usage_date: (row) => row.usage_date,
  workspace: (row) => row.workspace_id,
  workspace_access: (row) => row.workspace_access_id,
  connection: (row) => row.connection_id,
  resource: (row) => row.resource_id,
  resource_name: (row) => row.resource_name,
  resource_type: (row) => row.resource_type,
  request_count: (row) => row.requests,
  error_count: (row) => row.errors,
  denied_count: (row) => row.denied,
  unknown_count: (row) => row.unknown,
  avg_response_time: averageSeconds,
  data_transferred: (row) => row.data_transferred,
  // As it is charged, to the last digit.
  cost: (row) => row.cost,
};
/** What a spreadsheet takes for a formula; names come from upstream servers. */
const FORMULA = /^[=+\-@\t\r]/;

/** CSV of usage records (RFC 4180) with a header, as the rows come. */
export async function* toCsv(pages: AsyncIterable<readonly UsageRow[]>): AsyncGenerator<string> {
  yield line(Object.keys(COLUMNS));
  for await (const rows of pages)
    yield rows.map((row) => line(Object.values(COLUMNS).map((cellOf) => cellOf(row)))).join('');
}

function line(cells: readonly Cell[]): string {
  return `${cells.map(text).join(',')}\r\n`;
}

function text(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  const safe = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
