const LONGEST = 1_000;
const MOST_REASONS = 10;
const MASK = '***';
/** Shorter ones are words. */
const SHORTEST_SECRET = 4;

/** Said without the words of Jira, which tell more than the caller may know, or nothing. */
const FIXED: ReadonlyMap<number, string> = new Map([
  [401, 'Jira does not accept the credentials of the connection (401)'],
  [404, 'It does not exist or is not visible (404)'],
]);

const GENERAL: ReadonlyMap<number, string> = new Map([
  [400, 'Jira did not accept the request'],
  [403, 'The account of the connection is not permitted to do this'],
  [409, 'Jira reports a conflict with another change: look again, then try again'],
  [410, 'Jira does not offer this any more'],
  [413, 'Jira finds the request too large'],
  [429, 'The rate limit of Jira is used up'],
]);

/** What a reader is told of an answer that is none of success: the reasons that Jira names, without secrets. */
export function failureText(status: number, document: unknown, secrets: readonly string[]): string {
  const fixed = FIXED.get(status);
  if (fixed !== undefined) return fixed;
  const general = GENERAL.get(status) ?? (status >= 500 ? 'Jira is in trouble' : 'Jira answered unexpectedly');
  const reasons = reasonsIn(document).map((reason) => readable(withoutSecrets(reason, secrets)));
  const text = reasons.length === 0 ? `${general} (${status})` : `${general} (${status}): ${reasons.join('; ')}`;
  return text.slice(0, LONGEST);
}

/** `{"errorMessages": ["..."], "errors": {"summary": "..."}}`; some answers of Cloud have a `message` alone. */
function reasonsIn(document: unknown): string[] {
  if (typeof document !== 'object' || document === null) return [];
  const { errorMessages, errors, message } = document as Record<string, unknown>;
  const general = Array.isArray(errorMessages) ? (errorMessages as unknown[]) : [];
  const fields = typeof errors === 'object' && errors !== null && !Array.isArray(errors) ? Object.entries(errors) : [];
  const named = fields.flatMap(([field, text]) => (typeof text === 'string' ? [`${field}: ${text}`] : []));
  return [...general, ...named, message]
    .filter((each): each is string => typeof each === 'string' && each !== '')
    .slice(0, MOST_REASONS);
}

/** To be called last: what is cut off could be the end of a secret. */
function readable(text: string): string {
  return text
    .slice(0, LONGEST)
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((each) => each.length >= SHORTEST_SECRET)
    .reduce((masked, each) => masked.replaceAll(each, MASK), text);
}
