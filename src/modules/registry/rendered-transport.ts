import { parsedUrl } from '../../platform/egress/parse-url.js';
import { invalid } from '../../platform/http/domain-error.js';
import type { UpstreamTransport } from '../../mcp/upstream.js';
import type { ServerType } from './server-type.entity.js';
import { isReservedHeader } from './transport-check.js';
import { placeholdersOf, renderText, renderUrl, type JsonSchema, type TemplateValues } from './transport.js';

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
/** What a header may carry (RFC 9110, section 5.5): no control characters, no text beyond Latin-1. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** How one connection is reached, with its credentials in it. */
export interface RenderedTransport {
  transport: UpstreamTransport;
  /** Where credentials go: they are bound to it. */
  address: string;
  /** The address for people: no query, no secret. */
  displayUrl: string;
}

type Renderable = Pick<ServerType, 'transport' | 'authSchema' | 'qualifiedName'>;

/** @throws DomainError 400 naming the field that makes an address or header impossible */
export function renderTransport(type: Renderable, values: TemplateValues): RenderedTransport {
  const { transport } = type;
  switch (transport.type) {
    case 'streamable_http':
    case 'sse':
      return renderHttp(type, transport, values);
    case 'builtin':
      return renderBuiltin(type, transport.provider, values);
    case 'stdio':
      return processTransport(type, transport.command, transport.args, renderEnvironment(transport.env, values));
    case 'stdio_from_options': {
      const { command, args } = values.options as { command: string; args?: string[] };
      return processTransport(type, command, args ?? [], (values.auth.environment ?? {}) as Record<string, string>);
    }
  }
}

function renderHttp(
  type: Renderable,
  transport: { type: 'streamable_http' | 'sse'; url: string; headers: Record<string, string> },
  values: TemplateValues,
): RenderedTransport {
  const place = placeholdersOf(transport.url)[0];
  const field = place ? `${place.source === 'auth' ? 'auth_data' : 'config_options'}.${place.field}` : 'server';
  const text = renderUrl(transport.url, values);
  const url = text === null ? null : parsedUrl(text);
  if (!url) throw invalid({ [field]: ['must give an address such as https://mcp.example.com/mcp'] });
  return {
    transport: {
      type: transport.type,
      url: url.href,
      headers: renderHeaders(transport.headers, values),
      secrets: secretsOf(type, values),
    },
    address: url.href,
    displayUrl: displayUrl(type, transport.url, values),
  };
}

/** Its address is that of the system behind it: where the credentials go. */
function renderBuiltin(type: Renderable, provider: string, values: TemplateValues): RenderedTransport {
  const template = '{auth.base_url}';
  const text = renderUrl(template, values);
  const url = text === null ? null : parsedUrl(text);
  if (!url) throw invalid({ 'auth_data.base_url': ['must give an address such as https://acme.atlassian.net'] });
  return {
    transport: { type: 'builtin', provider, settings: values, secrets: secretsOf(type, values) },
    address: url.href,
    displayUrl: displayUrl(type, template, values),
  };
}

/** Credentials wherever they were rendered to, the path of the address too: a server that repeats them is not passed on. */
function secretsOf(type: Renderable, values: TemplateValues): string[] {
  const properties = (type.authSchema.properties ?? {}) as Record<string, JsonSchema>;
  return Object.entries(values.auth)
    .filter(([name]) => Object.hasOwn(properties, name) && properties[name]?.format === 'password')
    .map(([, value]) => value)
    .filter((value): value is string => typeof value === 'string');
}

/** Values of `format: password` are masked; a query may hold a key, so it is left out. */
function displayUrl(type: Renderable, template: string, values: TemplateValues): string {
  const properties = (type.authSchema.properties ?? {}) as Record<string, JsonSchema>;
  const masked = Object.fromEntries(
    Object.entries(values.auth).map(([name, value]) => [name, properties[name]?.format === 'password' ? '***' : value]),
  );
  const text = renderUrl(template, { auth: masked, options: values.options });
  // The address itself is a secret, or its host or port is.
  const url = text === null ? null : parsedUrl(text);
  if (!url) return `${type.qualifiedName} (address withheld)`;
  url.search = '';
  url.hash = '';
  url.username = '';
  url.password = '';
  // A bare origin is shown the way people write it.
  return url.pathname === '/' ? url.href.replace(/\/$/, '') : url.href;
}

function renderHeaders(templates: Record<string, string>, values: TemplateValues): Record<string, string> {
  const headers = new Map<string, [name: string, value: string]>();
  for (const [nameTemplate, valueTemplate] of Object.entries(templates)) {
    const name = renderText(nameTemplate, values);
    const value = renderText(valueTemplate, values);
    if (name === null || value === null) continue;
    const field = fieldOf(valueTemplate) ?? `transport.headers.${nameTemplate}`;
    if (!HEADER_NAME.test(name) || isReservedHeader(name))
      throw invalid({ [fieldOf(nameTemplate) ?? field]: ['this header may not be set'] });
    if (!HEADER_VALUE.test(value))
      throw invalid({ [field]: ['must not contain line breaks, control characters or characters beyond Latin-1'] });
    if (headers.has(name.toLowerCase()))
      throw invalid({ [fieldOf(nameTemplate) ?? field]: ['this header is set already'] });
    headers.set(name.toLowerCase(), [name, value]);
  }
  return Object.fromEntries(headers.values());
}

function renderEnvironment(templates: Record<string, string>, values: TemplateValues): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, template] of Object.entries(templates)) {
    const value = renderText(template, values);
    if (value === null) continue;
    if (value.includes('\0')) throw invalid({ [fieldOf(template) ?? name]: ['must not contain NUL'] });
    environment[name] = value;
  }
  return environment;
}

function processTransport(
  type: Renderable,
  command: string,
  args: string[],
  env: Record<string, string>,
): RenderedTransport {
  if ([command, ...args, ...Object.values(env)].some((text) => text.includes('\0')))
    throw invalid({ config_options: ['must not contain NUL'] });
  return {
    transport: { type: 'stdio', command, args, env },
    address: JSON.stringify([command, ...args]),
    displayUrl: `stdio:${type.qualifiedName}`,
  };
}

function fieldOf(template: string): string | null {
  const place = placeholdersOf(template)[0];
  return place ? `${place.source === 'auth' ? 'auth_data' : 'config_options'}.${place.field}` : null;
}
