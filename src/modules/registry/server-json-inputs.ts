import { canonicalJson } from '../../platform/json/canonical-json.js';
import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';
import type { Place } from './server-json-place.js';
import type { JsonSchema } from './transport.js';
import { fieldsOf } from './well-known/entry.js';

/** Entries of one list of inputs: as many as a transport may have. */
export const MOST_INPUTS = 32;
const MOST_CHOICES = 100;
const MOST_FIELDS = 64;
const LONGEST_VALUE = 2_048;
const LONGEST_NAME = 64;
const OUR_PLACEHOLDER = /\{\s*(auth|options)\b/i;

type ValueType = 'string' | 'number' | 'boolean';

/** What an input takes over from the header, variable or address that it is a part of. */
interface Inherited {
  isRequired: boolean;
  isSecret: boolean;
}

/** The schema of `auth_data`, gathered from the inputs of a document. All of them are credentials to us: none is shown. */
export class AuthFields {
  private readonly properties = new Map<string, { schema: JsonSchema; text: string }>();
  private readonly required = new Set<string>();

  get schema(): JsonSchema {
    const properties = [...this.properties].map(([name, { schema }]) => [name, schema] as const);
    return fieldsOf(Object.fromEntries(properties), [...this.required]);
  }

  /** @returns the placeholder of the property that the input became */
  add(name: string, input: Place, inherited: Inherited): string {
    const isRequired = input.member('isRequired').flag() || inherited.isRequired;
    const isSecret = input.member('isSecret').flag() || inherited.isSecret;
    const schema = propertyOf(input, isSecret, isRequired);
    const text = canonicalJson(schema);
    const property = this.nameFor(name, text);
    this.properties.set(property, { schema, text });
    if (isRequired) this.required.add(property);
    if (this.properties.size > MOST_FIELDS) {
      this.properties.delete(property);
      input.report(`is one too many: a type has at most ${MOST_FIELDS} credentials`);
    }
    return `{auth.${property}}`;
  }

  /** Inputs of one name that say the same are one property. */
  private nameFor(name: string, text: string): string {
    const fitted = name.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, LONGEST_NAME);
    const base = fitted === '' || FORBIDDEN_KEYS.has(fitted) ? 'value' : fitted;
    for (let count = 1; ; count++) {
      const suffix = count === 1 ? '' : `_${count}`;
      const candidate = base.slice(0, LONGEST_NAME - suffix.length) + suffix;
      const taken = this.properties.get(candidate);
      if (taken === undefined || taken.text === text) return candidate;
    }
  }
}

/** The template of a header or environment variable: its fixed value with its variables filled in, or what somebody enters. */
export function templateOf(name: string, input: Place, fields: AuthFields): string {
  const value = input.member('value');
  if (!value.isThere) return fields.add(name, input, { isRequired: false, isSecret: false });
  const inherited = { isRequired: input.member('isRequired').flag(), isSecret: input.member('isSecret').flag() };
  return filledIn(value, input.member('variables').map(MOST_INPUTS), fields, inherited).text;
}

/**
 * A text with `{name}` for variables, as our own template.
 * @returns the names in braces too that are no variable, which stay as they are
 */
export function filledIn(
  value: Place,
  variables: ReadonlyMap<string, Place>,
  fields: AuthFields,
  inherited: Inherited,
): { text: string; unknown: ReadonlySet<string> } {
  const unknown = new Set<string>();
  const known = new Map<string, string>();
  const entered = new Set<string>();
  const parts = (value.text(LONGEST_VALUE) ?? '').split(/\{([^{}]*)\}/);
  for (const name of new Set(parts.filter((_part, index) => index % 2 === 1))) {
    const variable = variables.get(name);
    const fixed = variable?.member('value');
    if (!variable || !fixed) unknown.add(name);
    else if (fixed.isThere) known.set(name, fixed.text(LONGEST_VALUE) ?? '');
    else {
      entered.add(name);
      known.set(name, fields.add(name, variable, inherited));
    }
  }
  const textWith = (textOf: (name: string) => string): string =>
    parts.map((part, index) => (index % 2 === 0 ? part : textOf(part))).join('');
  const literal = (name: string): string => known.get(name) ?? `{${name}}`;
  // What the document fixes must not come to a placeholder, not even put together of pieces.
  if (OUR_PLACEHOLDER.test(textWith((name) => (entered.has(name) ? '|' : literal(name)))))
    value.report('looks like {auth.name} or {options.name}, which have a meaning of their own');
  return { text: textWith(literal), unknown };
}

/** Every value is a text in the end; what is secret stays one, since only texts are masked in what servers answer. */
function propertyOf(input: Place, isSecret: boolean, isRequired: boolean): JsonSchema {
  const format = input.member('format').text(LONGEST_NAME);
  const type = !isSecret && (format === 'number' || format === 'boolean') ? format : 'string';
  const description = input.member('description').text(LONGEST_VALUE);
  // A secret that everybody could read in the schema is none.
  const choices = isSecret ? [] : choicesOf(type, input);
  const standard = isSecret ? undefined : readAs(type, input.member('default'));
  if (standard !== undefined && choices.length > 0 && !choices.includes(standard))
    input.member('default').report('must be one of the choices');
  return {
    type,
    ...(isSecret && { format: 'password' }),
    // An empty text counts as missing where templates are filled in.
    ...(type === 'string' && isRequired && { minLength: 1 }),
    ...(choices.length > 0 && { enum: choices }),
    ...(standard !== undefined && { default: standard }),
    ...(description !== undefined && { description }),
  };
}

function choicesOf(type: ValueType, input: Place): unknown[] {
  const choices = input.member('choices').list(MOST_CHOICES, 'values');
  return [...new Set(choices.map((choice) => readAs(type, choice)))];
}

/** Documents write defaults and choices as texts, whatever they are of. */
function readAs(type: ValueType, place: Place): string | number | boolean | undefined {
  const text = place.text(LONGEST_VALUE);
  if (text === undefined || type === 'string') return text;
  if (type === 'number' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  place.report(`must be a ${type}, written as a text`);
  return undefined;
}
