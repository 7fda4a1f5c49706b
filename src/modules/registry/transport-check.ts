import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { parsedUrl } from '../../platform/egress/parse-url.js';
import { invalid } from '../../platform/http/domain-error.js';
import { misspelledPlaceholder, placeholdersOf, withSamples, type JsonSchema, type Transport } from './transport.js';

const MOST_ENTRIES = 32;
const LONGEST_TEXT = 2_048;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
/** Ours or the connection's own: a template must not change how messages are framed or which session they belong to. */
const RESERVED_HEADERS =
  /^(host|connection|content-.*|transfer-encoding|upgrade|te|trailer|keep-alive|proxy-.*|expect|accept.*|mcp-.*|last-event-id|cookie|forwarded|x-forwarded-.*)$/i;

type Problems = Record<string, string[]>;

/**
 * A transport from a request body, checked so that it can work: known keys, header names that may be set, placeholders
 * that the type's schemas declare.
 * @throws DomainError 400 naming the fields
 */
export function checkTransport(
  input: Record<string, unknown>,
  schemas: { auth: JsonSchema; options: JsonSchema },
): Transport {
  const problems: Problems = {};
  const transport = input.type === 'stdio' ? readStdio(input, problems) : readHttp(input, problems);
  for (const [field, template] of templatesOf(transport)) {
    for (const { source, field: name } of placeholdersOf(template)) {
      const properties = schemas[source].properties as Record<string, unknown> | undefined;
      if (!properties || !Object.hasOwn(properties, name))
        report(problems, field, `{${source}.${name}} is not a property of config_schema.${source}`);
    }
    const misspelled = misspelledPlaceholder(template);
    if (misspelled !== null)
      report(problems, field, `${misspelled} is no placeholder: write {auth.name} or {options.name}`);
  }
  if (Object.keys(problems).length > 0) throw invalid(problems);
  return transport;
}

export function isReservedHeader(name: string): boolean {
  return RESERVED_HEADERS.test(name);
}

function readHttp(input: Record<string, unknown>, problems: Problems): Transport {
  const { type, url, headers = {} } = input;
  if (type !== 'streamable_http' && type !== 'sse')
    report(problems, 'transport.type', 'must be streamable_http, sse or stdio');
  refuseUnknown(input, ['type', 'url', 'headers'], problems);
  if (typeof url !== 'string' || !/^(https?:\/\/|\{(auth|options)\.)/.test(url) || url.length > LONGEST_TEXT) {
    report(problems, 'transport.url', 'must begin with http://, https:// or a placeholder such as {auth.base_url}');
  } else if (!isAddress(url)) report(problems, 'transport.url', 'must be an address without user name and password');
  const texts = readTexts(headers, 'transport.headers', problems);
  checkHeaderNames(Object.keys(texts), problems);
  return { type: type === 'sse' ? 'sse' : 'streamable_http', url: typeof url === 'string' ? url : '', headers: texts };
}

function checkHeaderNames(names: string[], problems: Problems): void {
  const seen = new Set<string>();
  for (const name of names) {
    const sample = withSamples(name, 'x').toLowerCase();
    const isLiteral = sample === name.toLowerCase();
    if (!HEADER_NAME.test(sample) || (isLiteral && isReservedHeader(name)))
      report(problems, `transport.headers.${name}`, 'may not be set');
    if (isLiteral && seen.has(sample)) report(problems, `transport.headers.${name}`, 'is there twice');
    if (isLiteral) seen.add(sample);
  }
}

function readStdio(input: Record<string, unknown>, problems: Problems): Transport {
  const { command, args = [], env = {} } = input;
  refuseUnknown(input, ['type', 'command', 'args', 'env'], problems);
  const fixed = (text: unknown): text is string =>
    typeof text === 'string' && text.length <= LONGEST_TEXT && !NOT_STORABLE.test(text);
  if (!fixed(command) || command === '') report(problems, 'transport.command', 'must name a program');
  const list = Array.isArray(args) && args.length <= MOST_ENTRIES && args.every(fixed) ? args : null;
  if (!list) report(problems, 'transport.args', `must be at most ${MOST_ENTRIES} texts`);
  // What a user types must never become part of a command line.
  if ([command, ...(list ?? [])].some((text) => fixed(text) && placeholdersOf(text).length > 0)) {
    report(problems, 'transport.args', 'command and args are fixed: placeholders go into env');
  }
  const texts = readTexts(env, 'transport.env', problems);
  for (const name of Object.keys(texts)) {
    if (!VARIABLE_NAME.test(name))
      report(problems, `transport.env.${name}`, 'is not a name of an environment variable');
  }
  return { type: 'stdio', command: fixed(command) ? command : '', args: list ?? [], env: texts };
}

/** With something plain in place of its placeholders. */
function isAddress(template: string): boolean {
  const text = withSamples(template.replace(/^\{(auth|options)\.[^}]*\}/, 'https://sample.example'), '1');
  if (/[\s\0]/.test(template) || NOT_STORABLE.test(template) || parsedUrl(text) === null) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}

function readTexts(value: unknown, field: string, problems: Problems): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    report(problems, field, 'must be an object of texts');
    return {};
  }
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.length > MOST_ENTRIES) report(problems, field, `may have at most ${MOST_ENTRIES} entries`);
  for (const [name, text] of entries) {
    if (
      typeof text !== 'string' ||
      text.length > LONGEST_TEXT ||
      /[\r\n\0]/.test(text) ||
      NOT_STORABLE.test(name + text)
    )
      report(problems, `${field}.${name}`, 'must be a text of one line');
  }
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function refuseUnknown(input: Record<string, unknown>, known: string[], problems: Problems): void {
  for (const name of Object.keys(input))
    if (!known.includes(name)) report(problems, `transport.${name}`, 'is not a known field');
}

function* templatesOf(transport: Transport): Generator<[field: string, template: string]> {
  if (transport.type === 'streamable_http' || transport.type === 'sse') {
    yield ['transport.url', transport.url];
    for (const [name, template] of Object.entries(transport.headers))
      yield [`transport.headers.${name}`, name + template];
  } else if (transport.type === 'stdio') {
    for (const [name, template] of Object.entries(transport.env)) yield [`transport.env.${name}`, template];
  }
}

function report(problems: Problems, field: string, text: string): void {
  (problems[field] ??= []).push(text);
}
