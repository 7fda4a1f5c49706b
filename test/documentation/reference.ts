import { Environment } from '../../src/platform/config/environment.js';
import { describedVariables, type VariableDescription } from '../../src/platform/config/variable.js';
import { REASONS } from '../../src/modules/workspace-access/policy/reasons.js';
import { ERROR_STATUS, type ErrorCode } from '../../src/platform/http/domain-error.js';

/** What a client may make of a code. A new code needs a line here: the compiler says so. */
const MEANING: Record<ErrorCode, string> = {
  validation_failed: 'Fields are wrong, missing or unknown; `details.fields` names each',
  malformed_json: 'The body is not JSON, or nested deeper than 64 levels',
  malformed_request: 'What arrived is not valid HTTP, or did not arrive in time',
  arguments_invalid: "The arguments do not fit the tool's schema, or the server refused them",
  arguments_undecided: "The arguments could not be checked: the tool's schema can not be used or takes too long",
  address_refused: 'The address is private or otherwise not allowed (`EGRESS_ALLOW`), or its name does not resolve',
  connection_failed: 'The server that should be added could not be connected; `details.reason` says why',
  credentials_required: 'The stored credentials are for another address, or can not be opened: enter them again',
  schema_refused: 'A JSON Schema is too large, too deep or not safe to use; `details.fields` names the places',
  unauthorized: 'No valid token: missing, expired, forged or revoked',
  invalid_credentials: 'User name, password or refresh token is wrong',
  forbidden: 'Your role is too low for this',
  access_denied: 'You may see it but not use it; `details.reason` says why',
  resource_not_found: 'There is no such object, or it belongs to an organization you are not in',
  route_not_found: 'There is no such path',
  conflict: 'It contradicts what is there',
  name_taken: 'Another one has this name; `details.fields` names the field',
  in_use: 'Something still refers to it',
  last_owner: 'An organization needs an owner, the installation an operator',
  organization_ambiguous:
    'The id exists in several of your organizations: name one; `details.organizations` lists them',
  workspace_ambiguous:
    'Several of your workspaces allow it: name one in `X-Workspace-Id`; `details.workspaces` lists them',
  sync_running: 'A sync of the mapping is under way; `details.sync_id` says which',
  upstream_changed: 'The record changed at the server since the last sync: sync the mapping, then push again',
  idempotency_key_in_use: 'A request with this `Idempotency-Key` is under way: try again after `Retry-After` seconds',
  outcome_unknown: 'Nobody knows how the request with this `Idempotency-Key` ended, and it is not run again',
  payload_too_large: 'The body is larger than 1 MiB',
  uri_too_long: 'The path is too long',
  unsupported_media_type: 'Send `application/json` without content encoding',
  idempotency_key_reused: 'The `Idempotency-Key` was used for another request: take a new one',
  rate_limit_exceeded: 'Too many requests: wait `Retry-After` seconds',
  budget_exhausted: 'The budget of the grant is used up; `details.resets_at` and `Retry-After` say until when',
  headers_too_large: 'Request line and headers are larger than 16 KiB',
  internal_error: 'A fault of ours: quote `request_id`',
  upstream_error: 'The MCP server could not be reached or failed; `details.reason` says how',
  unavailable: 'The database is away, or this process is stopping: try again after `Retry-After` seconds',
  upstream_busy: 'Too many calls wait for this server or organization: try again after `Retry-After` seconds',
  circuit_open: 'The server failed several times in a row and is left alone for a while',
  upstream_timeout: 'The MCP server did not answer in time',
};

/** docs/scopes.md with everything generated brought up to date. */
export function refreshScopes(document: string): string {
  const rows = Object.entries(REASONS).map(([reason, meaning]) => [`\`${reason}\``, meaning]);
  return replaced(document, 'reasons', table(['`reason`', 'Meaning'], rows));
}

/** The README with everything generated brought up to date. */
export function refresh(readme: string): string {
  return replaced(replaced(readme, 'variables', variables()), 'errors', errors());
}

function variables(): string {
  const defaults = new Environment() as unknown as Record<string, unknown>;
  return table(
    ['Variable', 'Default', 'Meaning'],
    describedVariables().map((variable) => [
      `\`${variable.name}\``,
      defaultOf(variable, defaults[variable.name]),
      variable.description + (variable.sensitive ? ' (secret)' : ''),
    ]),
  );
}

function defaultOf({ defaultText }: VariableDescription, value: unknown): string {
  if (defaultText !== undefined) return defaultText;
  const isNone = value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
  return isNone ? 'none' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function errors(): string {
  const codes = Object.entries(ERROR_STATUS) as [ErrorCode, number][];
  const rows = codes.map(([code, status]) => [String(status), `\`${code}\``, MEANING[code]]);
  return table(
    ['Status', '`error`', 'Meaning'],
    rows.sort(([left], [right]) => Number(left) - Number(right)),
  );
}

/** As Prettier writes tables: columns padded to their widest cell. */
function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function replaced(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- begin generated ${name} -->`, `<!-- end generated ${name} -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`there is no place for the generated ${name}`);
  return `${text.slice(0, from)}${begin}\n\n${content}\n\n${text.slice(to)}`;
}
