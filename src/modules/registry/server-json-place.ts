import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';

/** What is said of one place: somebody who got it all wrong needs no more to begin with. */
const MOST_TEXTS = 5;

/** Place in a document to what is wrong there. */
export type Problems = Map<string, string[]>;

/**
 * A value of a `server.json` and where it stands. Members are found in both spellings that the format has had, and named
 * as the document spells them: `packages[0].registry_type`. Null counts as not there.
 */
export class Place {
  constructor(
    readonly value: unknown,
    readonly path: string,
    readonly problems: Problems = new Map(),
  ) {}

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  /** The same place, whose problems are nobody else's: another entry may do instead. */
  get apart(): Place {
    return new Place(this.value, this.path);
  }

  report(text: string): void {
    const texts = this.problems.get(this.path) ?? [];
    if (texts.length < MOST_TEXTS && !texts.includes(text)) this.problems.set(this.path, [...texts, text]);
  }

  /** @param name in camel case; the format had snake case until 2025-09-16 */
  member(name: string): Place {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const key = this.own(name) === undefined && this.own(snake) !== undefined ? snake : name;
    return this.at(key, this.own(key));
  }

  /** Undefined where there is nothing, or where what is there was reported. */
  text(longest: number): string | undefined {
    if (!this.isThere) return undefined;
    if (typeof this.value === 'string' && this.value.length <= longest && !NOT_STORABLE.test(this.value))
      return this.value;
    this.report(`must be a text of at most ${longest} characters, without NUL and unpaired surrogates`);
    return undefined;
  }

  /** A text that has to be there; empty where it was reported. */
  neededText(longest: number, pattern: RegExp, rule: string): string {
    const text = this.isThere ? this.text(longest) : undefined;
    if (text !== undefined && pattern.test(text)) return text;
    if (!this.problems.has(this.path)) this.report(rule);
    return '';
  }

  flag(): boolean {
    if (this.isThere && typeof this.value !== 'boolean') this.report('must be true or false');
    return this.value === true;
  }

  isObject(): boolean {
    if (typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value)) return true;
    this.report('must be an object');
    return false;
  }

  /** Its elements, which have to be objects where `of` says so. */
  list(most: number, of: 'objects' | 'values' = 'objects'): Place[] {
    if (!this.isThere) return [];
    if (!Array.isArray(this.value) || this.value.length > most) {
      this.report(`must be an array of at most ${most}`);
      return [];
    }
    const elements = (this.value as unknown[]).map(
      (element, index) => new Place(element, `${this.path}[${index}]`, this.problems),
    );
    return of === 'values' ? elements : elements.filter((element) => element.isObject());
  }

  /** Its members, which have to be objects, by their names. */
  map(most: number): Map<string, Place> {
    if (!this.isThere || !this.isObject()) return new Map();
    const entries = Object.entries(this.value as object).map(([key, value]) => [key, this.at(key, value)] as const);
    if (entries.length > most) {
      this.report(`may have at most ${most} entries`);
      return new Map();
    }
    for (const [key, member] of entries) if (FORBIDDEN_KEYS.has(key)) member.report('this name is not allowed');
    return new Map(entries.filter(([, member]) => member.isObject()));
  }

  private at(key: string, value: unknown): Place {
    return new Place(value, this.path === '' ? key : `${this.path}.${key}`, this.problems);
  }

  private own(key: string): unknown {
    const { value } = this;
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    return (value as Record<string, unknown>)[key];
  }
}
