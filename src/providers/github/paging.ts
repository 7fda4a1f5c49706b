import { parsedUrl } from '../../platform/egress/parse-url.js';
import { WindowFailure } from '../kit/tool.js';
import { textIn, type Json } from './github-json.js';

const NEXT = /<([^<>]{1,4096})>;[^,<]{0,200}\brel="next"/;
const PAGE = /^[1-9]\d{0,8}$/;
const AFTER = /^[\w+/=.:-]{1,1024}$/;

/**
 * Where the next page is, from the Link header: GitHub counts pages in most lists, and in long ones it gives a cursor
 * (`after`). Nothing else of the address is used, so that the answer does not choose what is asked next.
 */
export function nextPage(headers: Json): string | undefined {
  const link = NEXT.exec(textIn(headers.link) ?? '');
  const query = parsedUrl(link?.[1] ?? '', 'https://api.github.com')?.searchParams;
  const page = query?.get('page') ?? '';
  const after = query?.get('after') ?? '';
  if (!link || (!PAGE.test(page) && !AFTER.test(after))) return undefined;
  return new URLSearchParams({
    ...(PAGE.test(page) ? { page } : {}),
    ...(AFTER.test(after) ? { after } : {}),
  }).toString();
}

/** The parameters of a page. @throws WindowFailure for a cursor that is none of ours */
export function pageAt(cursor: string | undefined): { page?: string; after?: string } {
  if (cursor === undefined) return {};
  const query = new URLSearchParams(cursor);
  const page = query.get('page');
  const after = query.get('after');
  const isOurs = (page === null || PAGE.test(page)) && (after === null || AFTER.test(after));
  if (!isOurs || (page === null && after === null)) throw strangeCursor();
  return { ...(page === null ? {} : { page }), ...(after === null ? {} : { after }) };
}

export function strangeCursor(): WindowFailure {
  return new WindowFailure('cursor', 'The cursor is none that an earlier answer gave');
}
