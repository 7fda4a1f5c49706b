/** Jira writes `2023-07-14T10:35:00.000+0200`; null for what is no time. */
export function isoTime(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 64) return null;
  const ms = Date.parse(value.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

const HOUR_MS = 3_600_000;
/** No clock is further behind UTC: without a known zone the query begins so much earlier. */
const FURTHEST_BEHIND_MS = 12 * HOUR_MS;

/**
 * The minute from which a query has to begin so that it has everything since then. JQL knows minutes, and reads them in
 * the time zone of the account. Where clocks are set back a minute is there twice, so that the query begins before both.
 */
export function jqlMinute(time: Date, timeZone: string | null): string {
  const zone = timeZone === null ? null : zoneClock(timeZone);
  if (!zone) return wallMinute(new Date(time.getTime() - FURTHEST_BEHIND_MS), zoneClock('UTC'));
  const before = new Date(time.getTime() - HOUR_MS);
  const isTwice = [HOUR_MS / 2, HOUR_MS].some(
    (later) => wallMinute(time, zone) >= wallMinute(new Date(time.getTime() + later), zone),
  );
  const wasBefore = [HOUR_MS / 2, HOUR_MS].some(
    (earlier) => wallMinute(new Date(time.getTime() - earlier), zone) >= wallMinute(time, zone),
  );
  return wallMinute(isTwice || wasBefore ? new Date(before.getTime() - HOUR_MS) : time, zone);
}

/** Null for a zone that this system does not know. */
function zoneClock(timeZone: string): Intl.DateTimeFormat | null {
  const digits = { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone, year: 'numeric', hourCycle: 'h23', ...digits });
  } catch {
    return null;
  }
}

function wallMinute(time: Date, clock: Intl.DateTimeFormat | null): string {
  const parts = new Map((clock?.formatToParts(time) ?? []).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  return `${part('year').padStart(4, '0')}/${part('month')}/${part('day')} ${part('hour')}:${part('minute')}`;
}
