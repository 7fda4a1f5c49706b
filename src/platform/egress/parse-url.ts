/**
 * The URL, or null for a text that is none. Instead of `URL.canParse`, which in Node 20 refuses names such as `bücher`
 * once V8 has optimized the call: it reads Latin-1 as UTF-8.
 */
export function parsedUrl(text: string, base?: string | URL): URL | null {
  try {
    return new URL(text, base);
  } catch {
    return null;
  }
}
