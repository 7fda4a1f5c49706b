/**
 * Templates of mappings: text with `{{path}}` and `{{path|default:value}}`, and nothing else. A path begins with `context`,
 * the item: `context.fields.labels[0]`, `context["odd name"]`. A default is a JSON string, number, `true`, `false` or `null`.
 */
export type Template = readonly (string | Placeholder)[];

export interface Placeholder {
  /** As it was written, for people. */
  text: string;
  /** Below the item; empty is the item itself. */
  path: readonly string[];
  /** Undefined where there is none. */
  fallback: unknown;
}

/** Why a text is no template. */
export class TemplateError extends Error {
  /** @param position of the character, counted from 1 */
  constructor(
    message: string,
    readonly position: number,
  ) {
    super(message);
  }
}

/** A placeholder of which the item has nothing, and which has no default. */
export class FieldMissing extends Error {
  constructor(readonly placeholder: string) {
    super(`The item has nothing for ${placeholder.slice(0, LONGEST_NAMED)}`);
  }
}

const NAME = /[\p{L}\p{N}_$-]+/uy;
const INDEX = /\[\s*(0|[1-9]\d{0,8})\s*\]/y;
const QUOTED = /\[\s*("(?:[^"\\]|\\.)*")\s*\]/y;
const DEFAULT = /\s*\|\s*default\s*:\s*/y;
const VALUE = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /\s*/y;
const LONGEST_PATH = 32;
const MOST_CHARACTERS = 262_144;
const LONGEST_NAMED = 200;

/** @throws TemplateError */
export function parseTemplate(text: string): Template {
  const parts: (string | Placeholder)[] = [];
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('{{', at);
    const literal = text.slice(at, open === -1 ? undefined : open);
    const stray = literal.indexOf('}}');
    if (stray !== -1) throw new TemplateError('}} without {{ before it', at + stray + 1);
    if (literal !== '') parts.push(literal);
    if (open === -1) break;
    const reader = new Reader(text, open + 2);
    parts.push(placeholderIn(reader, open));
    at = reader.at;
  }
  return parts;
}

/** More than an item may have. */
export class ItemTooLarge extends Error {
  constructor() {
    super(`The item would have more than ${MOST_CHARACTERS} characters`);
  }
}

/** What is left of the size that one item may have in the end: counted before it is made. */
export class Room {
  private left = MOST_CHARACTERS;

  /** @throws ItemTooLarge */
  take(characters: number): void {
    this.left -= characters;
    if (this.left < 0) throw new ItemTooLarge();
  }
}

/**
 * The value where the template is one placeholder and nothing more, with its type; else a text.
 * @throws FieldMissing, ItemTooLarge
 */
export function renderTemplate(template: Template, context: unknown, room = new Room()): unknown {
  const [only, ...others] = template;
  if (only !== undefined && typeof only !== 'string' && others.length === 0) {
    const value = valueOf(only, context);
    room.take(typeof value === 'string' ? value.length : (JSON.stringify(value) ?? '').length);
    return value;
  }
  let text = '';
  for (const part of template) {
    const next = typeof part === 'string' ? part : textOf(valueOf(part, context));
    room.take(next.length);
    text += next;
  }
  return text;
}

function valueOf({ path, fallback, text }: Placeholder, context: unknown): unknown {
  const value = path.reduce(memberOf, context);
  if (value !== undefined && !(value === null && fallback !== undefined)) return value;
  if (fallback === undefined) throw new FieldMissing(text);
  return fallback;
}

/** Own members only: nothing of a prototype is data. */
function memberOf(place: unknown, key: string): unknown {
  if (typeof place !== 'object' || place === null || !Object.hasOwn(place, key)) return undefined;
  if (Array.isArray(place) && !/^\d+$/.test(key)) return undefined;
  return (place as Record<string, unknown>)[key];
}

function textOf(value: unknown): string {
  if (value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function placeholderIn(reader: Reader, open: number): Placeholder {
  reader.take(SPACE);
  if (reader.take(NAME)?.[0] !== 'context') throw reader.error('a path begins with context');
  const path: string[] = [];
  for (let key = nextKey(reader); key !== null; key = nextKey(reader)) path.push(key);
  if (path.length > LONGEST_PATH) throw reader.error(`a path has at most ${LONGEST_PATH} parts`);
  const fallback = reader.take(DEFAULT) ? defaultIn(reader) : undefined;
  reader.take(SPACE);
  if (!reader.text.startsWith('}}', reader.at)) throw reader.error('expected }} or |default:');
  reader.at += 2;
  return { text: reader.text.slice(open, reader.at), path, fallback };
}

/** Null where the path ends. */
function nextKey(reader: Reader): string | null {
  const index = reader.take(INDEX);
  if (index) return index[1] ?? '';
  const quoted = reader.take(QUOTED);
  if (quoted) return parsed(reader, quoted[1] ?? '') as string;
  if (!reader.text.startsWith('.', reader.at)) return null;
  reader.at++;
  const name = reader.take(NAME);
  if (!name) throw reader.error('expected a name after the dot');
  return name[0];
}

function defaultIn(reader: Reader): unknown {
  const value = reader.take(VALUE);
  if (!value) throw reader.error('a default is a JSON string, number, true, false or null');
  return parsed(reader, value[0]);
}

function parsed(reader: Reader, json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw reader.error(`${json} is no JSON`);
  }
}

/** Where one is in a text. */
class Reader {
  constructor(
    readonly text: string,
    public at: number,
  ) {}

  /** @param pattern sticky */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at += match[0].length;
    return match;
  }

  error(message: string): TemplateError {
    return new TemplateError(message, this.at + 1);
  }
}
