import { CallHandler, ExecutionContext, Injectable, NestInterceptor } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { ApiPropertyOptional } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { Environment } from '../config/environment.js';
import { invalid } from './domain-error.js';
import { LARGEST_INTEGER } from './parameters.js';
import { toInteger } from './query-values.js';

export const DEFAULT_PAGE = 100;
export const LARGEST_PAGE = 500;
/** Lists of history say in `X-Total-Count` how many rows there are up to this many: counting all of them would take longer than reading. */
export const MOST_COUNTED = 10_000;

/** The query parameters of every list. */
export class PageQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: LARGEST_PAGE, default: DEFAULT_PAGE, description: 'Rows in one answer' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(1)
  @Max(LARGEST_PAGE)
  limit: number = DEFAULT_PAGE;

  @ApiPropertyOptional({ description: 'Where the next page starts, from the `Link` header' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  cursor?: string;
}

/** One page of a list: the rows, how many there are in all, and where the next page starts. */
export class Page<T> {
  constructor(
    readonly items: T[],
    readonly total: number,
    readonly next: string | null,
  ) {}

  map<U>(convert: (item: T) => U): Page<U> {
    return new Page(this.items.map(convert), this.total, this.next);
  }

  static empty<T>(): Page<T> {
    return new Page<T>([], 0, null);
  }
}

/**
 * Reads one page by key: ids grow with time (UUIDv7, identity columns), so the primary key is the stable order and a
 * page costs the same wherever it starts.
 * @param id column of the id as the query names it, `alias.id`; raw rows must carry it as `id`
 * @param order history is read from its end: `newest` first
 */
export async function readPage<Row extends { id: string | number }, Entity extends ObjectLiteral>(
  query: SelectQueryBuilder<Entity>,
  id: string,
  page: PageQuery,
  idKind: 'uuid' | 'integer',
  order: 'oldest' | 'newest' = 'oldest',
): Promise<Page<Row>> {
  const [beyond, direction] = order === 'oldest' ? (['>', 'ASC'] as const) : (['<', 'DESC'] as const);
  // In the same statement, before the cursor narrows it: one round trip, and both see the same rows.
  const counted = query.clone().select('count(*)::int');
  if (page.cursor !== undefined)
    query.andWhere(`${id} ${beyond} :cursor`, { cursor: decodeCursor(page.cursor, idKind) });
  const rows = await query
    .addSelect(`(${counted.getQuery()})`, 'total')
    .orderBy(id, direction)
    .limit(page.limit + 1)
    .getRawMany<Row & { total: number }>();
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  // Nothing behind the cursor: nothing to carry the total either.
  const total = rows[0]?.total ?? (page.cursor === undefined ? 0 : await counted.getCount());
  return new Page<Row>(items, total, rows.length > page.limit && last ? encodeCursor(last.id) : null);
}

export function encodeCursor(id: string | number): string {
  return Buffer.from(String(id)).toString('base64url');
}

export function decodeCursor(cursor: string, kind: 'uuid' | 'integer'): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  const fits = kind === 'uuid' ? isUuid(id) : /^\d{1,10}$/.test(id) && Number(id) <= LARGEST_INTEGER;
  if (!fits || encodeCursor(id) !== cursor)
    throw invalid({ cursor: ['cursor must come from the Link header of this list'] });
  return id;
}

/** Turns a {@link Page} into the bare array of the contract, with `X-Total-Count` and `Link: <...>; rel="next"` (RFC 8288). */
@Injectable()
export class PageInterceptor implements NestInterceptor {
  constructor(private readonly environment: Environment) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      map((result: unknown) => {
        if (!(result instanceof Page)) return result;
        const reply = context.switchToHttp().getResponse<FastifyReply>();
        void reply.header('x-total-count', String(result.total));
        if (result.next !== null) {
          const url = new URL(context.switchToHttp().getRequest<FastifyRequest>().url, this.environment.PUBLIC_URL);
          url.searchParams.set('cursor', result.next);
          void reply.header('link', `<${url.href}>; rel="next"`);
        }
        return result.items as unknown[];
      }),
    );
  }
}
