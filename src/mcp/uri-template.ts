import { LRUCache } from 'lru-cache';

const EXPRESSION = /\{([+#./;?&]?)([^{}]*)\}/g;

/** What one expression can expand to (RFC 6570, level 1 to 3), as loosely as a reader may ask and no looser than a path allows. */
const PATTERN_OF_OPERATOR: Record<string, string> = {
  '': '[^/?#]+',
  '+': '[^\\s]+',
  '#': '(?:#[^\\s]*)?',
  '.': '(?:\\.[^/?#]+)?',
  '/': '(?:/[^/?#]+)*',
  ';': '(?:;[^/?#]*)?',
  '?': '(?:\\?[^#\\s]*)?',
  '&': '(?:&[^#\\s]*)?',
};
const MOST_EXPRESSIONS = 16;

/** Patterns of templates seen lately: each is asked about many URIs. */
const patterns = new LRUCache<string, RegExp>({ max: 1_000 });
const NOTHING = /(?!)/;

/** Whether `uri` can be an expansion of the RFC 6570 `template`. Templates with too many expressions match nothing. */
export function isExpansionOf(template: string, uri: string): boolean {
  const pattern = patterns.get(template) ?? patternOf(template);
  patterns.set(template, pattern);
  return pattern.test(uri);
}

function patternOf(template: string): RegExp {
  let pattern = '';
  let end = 0;
  let expressions = 0;
  for (const match of template.matchAll(EXPRESSION)) {
    pattern += escape(template.slice(end, match.index)) + (PATTERN_OF_OPERATOR[match[1] ?? ''] ?? '[^/?#]+');
    end = match.index + match[0].length;
    // Two neighbouring wildcards can be split in many ways; few expressions keep that harmless.
    if (++expressions > MOST_EXPRESSIONS) return NOTHING;
  }
  return new RegExp(`^${pattern}${escape(template.slice(end))}$`, 'u');
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (character) => (character === '-' ? '\\x2d' : `\\${character}`));
}
