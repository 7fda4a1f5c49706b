import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { invalid } from './domain-error.js';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;
/** Days that one question may be about. */
export const LONGEST_RANGE = 366;

export interface DayRange {
  date_from?: string;
  date_to?: string;
}

/** Query parameters of lists that go by UTC days. */
export class DayRangeQuery {
  @ApiPropertyOptional({ format: 'date', example: '2023-07-01', description: 'First UTC day' })
  @IsOptional()
  @Matches(DAY, { message: 'date_from must be a day: YYYY-MM-DD' })
  date_from?: string;

  @ApiPropertyOptional({ format: 'date', example: '2023-07-31', description: 'Last UTC day' })
  @IsOptional()
  @Matches(DAY, { message: 'date_to must be a day: YYYY-MM-DD' })
  date_to?: string;
}

/** @throws DomainError 400 naming the field: a day that there is not, an end before the beginning, a range that is too long */
export function checkedRange({ date_from: from, date_to: to }: DayRange): DayRange {
  for (const [name, day] of Object.entries({ date_from: from, date_to: to }))
    if (day !== undefined && !isDay(day)) throw invalid({ [name]: [`${name} is no day of the calendar`] });
  if (from === undefined || to === undefined) return { date_from: from, date_to: to };
  if (from > to) throw invalid({ date_from: ['date_from must not be after date_to'] });
  if ((Date.parse(to) - Date.parse(from)) / DAY_MS >= LONGEST_RANGE)
    throw invalid({ date_to: [`date_from and date_to must not be more than ${LONGEST_RANGE} days apart`] });
  return { date_from: from, date_to: to };
}

/** The moments between which the days lie: from inclusive, until exclusive. */
export function timeBounds({ date_from: from, date_to: to }: DayRange): { from?: Date; until?: Date } {
  return {
    from: from === undefined ? undefined : new Date(`${from}T00:00:00Z`),
    until: to === undefined ? undefined : new Date(Date.parse(`${to}T00:00:00Z`) + DAY_MS),
  };
}

/** PostgreSQL counts years from 1 on; JavaScript corrects 30 February silently. */
function isDay(day: string): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(time) && day > '0001' && new Date(time).toISOString().startsWith(day);
}
