/**
 * Why something is allowed or denied. Codes are part of the API (`details.reason`, `check/`, later the ledger): they never
 * change their meaning.
 */
export const REASONS = {
  granted: 'The grant allows it',
  granted_results_filtered: 'The grant allows it; what the answer says of anything else is taken out',
  no_grant: 'No workspace of the caller has a grant on the connection',
  grant_inactive: 'The grant is switched off',
  connection_inactive: 'The connection is switched off',
  unavailable: 'The server does not offer it any more',
  not_granted: 'It is not among the granted resources, nor below one',
  excluded: 'It was taken out of the grant',
  filtered_out: 'A filter of the grant rejects it',
  filter_undecidable:
    'A filter of the grant can not be decided: no scope of the server type reads it, or it takes too long',
  permission_level: 'The permission level is lower than the effect of the tool',
  scope_not_granted: 'It touches something that is not granted',
  scope_undecided: 'What it touches can not be told before the call',
  scope_value_unreadable: 'A value that says what it touches can not be read',
  lookup_needed: 'What it touches is looked up at the server when the call is made',
  lookup_failed: 'The server did not tell what it touches, or nothing of it is granted',
  definition_pending: 'The definition of the tool waits for a review',
  definition_rejected: 'The definition of the tool was rejected in a review',
  definition_changed: 'The definition of the tool changed, and what was valid may not be any more',
  result_withheld: 'The answer is not of the form that the server type declares, so it could not be checked',
} as const;

export type Reason = keyof typeof REASONS;

/** What a denial is about, the rule that denies, and the change that would allow it. */
export interface DenialDetails {
  object: { type: 'grant' | 'connection' | 'tool' | 'resource' | 'argument'; id: string | number; value?: string };
  rule: string;
  change: string;
}

export interface Denied extends DenialDetails {
  allowed: false;
  reason: Reason;
}

const LONGEST_SHOWN = 200;

/** @param rule more precise than the reason's own text */
export function denied(reason: Reason, object: DenialDetails['object'], change: string, rule?: string): Denied {
  const shown = object.value === undefined ? object : { ...object, value: object.value.slice(0, LONGEST_SHOWN) };
  return { allowed: false, reason, object: shown, rule: rule ?? REASONS[reason], change };
}
