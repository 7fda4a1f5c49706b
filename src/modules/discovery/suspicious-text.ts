import { pointer } from '../../platform/schemas/schema-keywords.js';

export type SuspicionKind = 'control' | 'bidirectional' | 'tag' | 'invisible' | 'look_alike';

export interface Flag {
  /** JSON pointer (RFC 6901) into the definition, what can't be seen in it escaped. */
  path: string;
  kind: SuspicionKind;
  /** The place, with what can't be seen as `\u{...}`; of a look-alike the id of the tool that it looks like. */
  text: string;
}

const MOST_FLAGS = 100;
/** Characters shown before and after the first suspicious one. */
const AROUND = 40;

/**
 * Characters that people do not see and models read, or that make text look other than it is. Control characters without
 * line feeds and tabs; what reorders text (Unicode TR 36 and 39, "Trojan Source"); tag characters and the variation
 * selectors beside them, which spell whole hidden texts; zero-width and blank ones. The joiner inside an emoji is none.
 */
const SUSPICIONS: [SuspicionKind, string][] = [
  ['control', '[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ufff0-\\ufffb]'],
  ['bidirectional', '[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]'],
  ['tag', '[\\u{e0000}-\\u{e0fff}]'],
  [
    'invisible',
    '[\\u00ad\\u034f\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200c\\u2060-\\u2065]' +
      '|[\\u206a-\\u206f\\u2800\\u3164\\ufe00-\\ufe0d\\ufeff\\uffa0\\ufffc\\u{110bd}\\u{110cd}\\u{13430}-\\u{1345f}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}]' +
      // The selectors of text and emoji style belong behind a picture, a digit or a sign.
      '|(?<![\\p{Emoji}\\u20e3])[\\ufe0e\\ufe0f]' +
      '|(?<!\\p{Extended_Pictographic}\\ufe0f?[\\u{1f3fb}-\\u{1f3ff}]?)\\u200d|\\u200d(?!\\p{Extended_Pictographic})',
  ],
];
const FIRST = SUSPICIONS.map(([kind, pattern]) => [kind, new RegExp(pattern, 'u')] as const);
const ALL = new RegExp(SUSPICIONS.map(([, pattern]) => pattern).join('|'), 'gu');

/** Suspicious characters in any text of a definition, names of properties too: one flag for each place and kind. */
export function suspiciousText(definition: unknown): Flag[] {
  const flags: Flag[] = [];
  collect(definition, '', flags);
  return flags;
}

function collect(value: unknown, path: string, flags: Flag[]): void {
  if (typeof value === 'string') return flagText(value, path, flags);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (flags.length >= MOST_FLAGS) return;
    const place = pointer(path, escaped(key));
    if (!Array.isArray(value)) flagText(key, place, flags);
    collect(inner, place, flags);
  }
}

function flagText(text: string, path: string, flags: Flag[]): void {
  for (const [kind, pattern] of FIRST) {
    const at = text.search(pattern);
    if (at >= 0 && flags.length < MOST_FLAGS) flags.push({ path, kind, text: escaped(excerpt(text, at)) });
  }
}

function excerpt(text: string, at: number): string {
  return text.slice(Math.max(0, at - AROUND), at + AROUND).replace(/\p{Surrogate}/gu, '');
}

function escaped(text: string): string {
  return text.replace(ALL, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Letters that look like a Latin one (Unicode TR 39, confusables), of the alphabets that look most like it. */
const LOOKS_LIKE = new Map(
  Object.entries({
    a: 'аαɑ',
    b: 'ьƅ',
    c: 'сϲᴄ',
    d: 'ԁɗ',
    e: 'еєεҽ',
    f: 'ƒ',
    g: 'ɡց',
    h: 'һհ',
    i: 'іιıɩ',
    j: 'јϳ',
    k: 'кκ',
    l: 'ӏǀⅼ',
    m: 'м',
    n: 'пηո',
    o: 'оοσօ',
    p: 'рρ',
    q: 'ԛզ',
    r: 'гᴦ',
    s: 'ѕꜱ',
    t: 'тτ',
    u: 'υսᴜц',
    v: 'νѵ',
    w: 'ѡԝωա',
    x: 'хχ',
    y: 'уγү',
    z: 'ᴢ',
  }).flatMap(([latin, others]) => [...others].map((other): [string, string] => [other, latin])),
);

/** Two names of one skeleton are easily taken for each other. */
export function skeletonOf(name: string): string {
  const letters = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\p{Mark}\p{Default_Ignorable_Code_Point}\p{Control}]/gu, '');
  return [...letters]
    .map((letter) => LOOKS_LIKE.get(letter) ?? letter)
    .join('')
    .replace(/[\p{Separator}\p{Punctuation}\p{Symbol}]/gu, (sign) => (sign === '|' ? 'l' : ''))
    .replaceAll('0', 'o')
    .replace(/[1i]/g, 'l')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w');
}

/** The tools of other servers that this one's name is easily taken for. A name that is the very same is no disguise. */
export function lookAlikes(name: string, others: readonly { name: string; publicId: string }[]): Flag[] {
  const skeleton = skeletonOf(name);
  return others
    .filter((other) => other.name !== name && skeletonOf(other.name) === skeleton)
    .slice(0, MOST_FLAGS)
    .map((other) => ({ path: '/name', kind: 'look_alike', text: other.publicId }));
}
