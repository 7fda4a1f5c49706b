/** Any JSON Schema object. */
export type JsonSchema = Record<string, unknown>;

/** How servers of a type are reached. Texts are templates over the connection's `auth` and `options`: `Bearer {auth.api_token}`. */
export type Transport =
  | { type: 'streamable_http' | 'sse'; url: string; headers: Record<string, string> }
  | { type: 'stdio'; command: string; args: string[]; env: Record<string, string> }
  /** A server that ships with the product; `auth.base_url` is the address of the system behind it. */
  | { type: 'builtin'; provider: string }
  /** The process is named by the connection's options; operators only, see docs/adr/0006-generic-stdio.md. */
  | { type: 'stdio_from_options' };

export interface TemplateValues {
  auth: Record<string, unknown>;
  options: Record<string, unknown>;
}

/** Whether connecting a server of it starts a process on this machine. */
export function isProcess(transport: Transport): boolean {
  return transport.type === 'stdio' || transport.type === 'stdio_from_options';
}

const PLACEHOLDER = /\{(auth|options)\.([A-Za-z0-9_-]{1,64})\}/g;

export interface Placeholder {
  source: 'auth' | 'options';
  field: string;
}

export function placeholdersOf(template: string): Placeholder[] {
  return [...template.matchAll(PLACEHOLDER)].map((match) => ({
    source: match[1] as 'auth' | 'options',
    field: match[2] ?? '',
  }));
}

/** What looks like a placeholder and is none: it would be sent as it stands. */
export function misspelledPlaceholder(template: string): string | null {
  return /\{\s*(auth|options)\b[^}]{0,80}\}?/i.exec(template.replace(PLACEHOLDER, ''))?.[0] ?? null;
}

/** The template with something plain in place of every placeholder. */
export function withSamples(template: string, sample: string): string {
  return template.replace(PLACEHOLDER, sample);
}

/** The text with its placeholders filled in; null when a value is missing, so that an optional header is left out. */
export function renderText(template: string, values: TemplateValues): string | null {
  return render(template, values, (text) => text);
}

/**
 * An address. A placeholder at the beginning stands for a whole base address (its closing slash is dropped where more
 * follows); anywhere else its value is percent-encoded, so that it can't move the address to another host.
 */
export function renderUrl(template: string, values: TemplateValues): string | null {
  return render(template, values, (text, offset, rest) => {
    if (offset > 0) return encodeURIComponent(text);
    return rest === '' ? text : text.replace(/\/+$/, '');
  });
}

function render(
  template: string,
  values: TemplateValues,
  encode: (text: string, offset: number, rest: string) => string,
): string | null {
  let complete = true;
  const text = template.replace(
    PLACEHOLDER,
    (match: string, source: 'auth' | 'options', field: string, offset: number) => {
      const value = Object.hasOwn(values[source], field) ? values[source][field] : undefined;
      if (value === undefined || value === null || value === '' || typeof value === 'object') {
        complete = false;
        return '';
      }
      return encode(`${value as string | number | boolean}`, offset, template.slice(offset + match.length));
    },
  );
  return complete ? text : null;
}
