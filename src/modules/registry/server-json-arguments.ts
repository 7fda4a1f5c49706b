import type { Place } from './server-json-place.js';

/** Of one list: a command line has at most 32 words. */
export const MOST_ARGUMENTS = 24;
const LONGEST_WORD = 2_048;
const FLAG = /^--?[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** An argument as far as it is known now. */
export interface Argument {
  /** Of a flag, with its dashes; null for one that stands by its position. */
  name: string | null;
  /** Null where somebody would have to enter it. */
  words: string[] | null;
  place: Place;
}

export function argumentsIn(list: readonly Place[]): Argument[] {
  return list.map((place) => {
    const type = place.member('type').neededText(64, /^(positional|named)$/, 'must be positional or named');
    const name =
      type === 'named'
        ? place.member('name').neededText(66, FLAG, 'must be the name of a flag, with its dashes')
        : null;
    const value = fixedValue(place);
    const words = name === null ? [value ?? ''] : wordsOf(name, value ?? '');
    return { name, words: value === null ? null : words, place };
  });
}

/**
 * What a command line has of a list of arguments. Only what the document fixes: a value that somebody would have to enter
 * never becomes part of a command line, so an argument that needs one is reported and an optional one is left out. A flag
 * without a word about its value may as well be one that takes none, and leaving out `--read-only` would make a server that writes.
 */
export function fixedWords(list: readonly Place[]): string[] {
  return argumentsIn(list).flatMap(({ name, words, place }) => {
    const isUnsaid = !place.member('value').isThere && !place.member('default').isThere;
    if (name !== null && isUnsaid && !place.member('isRequired').isThere)
      place.report('has no value: give value, empty for a flag alone, or isRequired: false to have it left out');
    return words ?? [];
  });
}

/** `--flag=value`, as the format says; short flags have theirs beside them. An empty value is a flag alone. */
function wordsOf(name: string, value: string): string[] {
  if (value === '') return [name];
  return name.startsWith('--') ? [`${name}=${value}`] : [name, value];
}

function fixedValue(argument: Place): string | null {
  const value = argument.member('value');
  const variables = argument.member('variables').map(MOST_ARGUMENTS);
  let isRequired = argument.member('isRequired').flag();
  // A default is what stands there when nobody enters anything.
  const chosen = value.isThere ? value : argument.member('default');
  let isMissing = !chosen.isThere;
  const parts = (chosen.text(LONGEST_WORD) ?? '').split(/\{([^{}]*)\}/);
  const words = parts.map((part, index) => {
    if (index % 2 === 0) return part;
    const variable = variables.get(part);
    if (variable === undefined) return `{${part}}`;
    const fixed = variable.member('value').isThere ? variable.member('value') : variable.member('default');
    isMissing ||= !fixed.isThere;
    isRequired ||= !fixed.isThere && variable.member('isRequired').flag();
    return fixed.text(LONGEST_WORD) ?? '';
  });
  if (!isMissing) return words.join('');
  if (isRequired)
    argument.report('needs a value that somebody would have to enter: a command line has fixed values only');
  return null;
}
