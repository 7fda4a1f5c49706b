import { invalid } from '../../platform/http/domain-error.js';
import { amountOf, unitsOf, type Amount } from '../../platform/money/amount.js';
import { AMOUNT_RULE, isAmount } from '../../platform/money/is-amount.js';

/** What calls of a server cost. Prices have six digits after the point at most. */
export interface PriceBook {
  per_call?: Amount;
  /** Per 10^6 bytes of arguments and results as JSON. */
  per_megabyte?: Amount;
  /** Of single tools by their name at the server, instead of `per_call`. */
  tools?: Record<string, Amount>;
}

/** The price of one call. */
export interface Price {
  perCall: Amount;
  perMegabyte: Amount;
}

/** Bytes that a price per megabyte is for. */
const MEGABYTE = 1_000_000n;

/** @param tool its name at the server; null for anything but a tool */
export function priceOf(book: PriceBook, tool: string | null): Price {
  const own = tool !== null && book.tools && Object.hasOwn(book.tools, tool) ? book.tools[tool] : undefined;
  return { perCall: own ?? book.per_call ?? '0', perMegabyte: book.per_megabyte ?? '0' };
}

/** Exact: what a call with this many bytes costs. */
export function costOf({ perCall, perMegabyte }: Price, bytes: number): Amount {
  if (perCall === '0' && perMegabyte === '0') return '0';
  return amountOf(unitsOf(perCall) + (unitsOf(perMegabyte) / MEGABYTE) * BigInt(bytes));
}

const NAMES = new Set(['per_call', 'per_megabyte', 'tools']);
const MOST_TOOLS = 2_000;
const LONGEST_NAME = 128;

/**
 * A price book as somebody sent it: prices as numbers or as decimal text.
 * @throws DomainError 400 naming the places below `price_book`
 */
export function checkPriceBook(sent: Readonly<Record<string, unknown>>): PriceBook {
  const wrong: Record<string, string[]> = {};
  const amount = (place: string, value: unknown): Amount => {
    const text = typeof value === 'number' ? String(value) : value;
    if (isAmount(text)) return text;
    wrong[place] = [`must be ${AMOUNT_RULE}`];
    return '0';
  };
  const { per_call: perCall, per_megabyte: perMegabyte, tools } = sent;
  for (const name of Object.keys(sent)) if (!NAMES.has(name)) wrong[`price_book.${name}`] = ['is not known'];
  const book: PriceBook = {};
  if (perCall !== undefined) book.per_call = amount('price_book.per_call', perCall);
  if (perMegabyte !== undefined) book.per_megabyte = amount('price_book.per_megabyte', perMegabyte);
  if (tools !== undefined) {
    const entries = isObject(tools) ? Object.entries(tools) : [];
    if (!isObject(tools) || entries.length > MOST_TOOLS || entries.some(([name]) => name.length > LONGEST_NAME))
      wrong['price_book.tools'] = [`must be an object of at most ${MOST_TOOLS} prices by the name of the tool`];
    else
      book.tools = Object.fromEntries(
        entries.map(([name, price]) => [name, amount(`price_book.tools.${name}`, price)]),
      );
  }
  if (Object.keys(wrong).length > 0) throw invalid(wrong);
  return book;
}

/** As the API shows it: prices as numbers. */
export interface PriceBookResponse {
  per_call?: number;
  per_megabyte?: number;
  tools?: Record<string, number>;
}

export function toPriceBookResponse(book: PriceBook): PriceBookResponse {
  const { per_call: perCall, per_megabyte: perMegabyte, tools } = book;
  return {
    ...(perCall === undefined ? {} : { per_call: Number(perCall) }),
    ...(perMegabyte === undefined ? {} : { per_megabyte: Number(perMegabyte) }),
    ...(tools && { tools: Object.fromEntries(Object.entries(tools).map(([name, price]) => [name, Number(price)])) }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
