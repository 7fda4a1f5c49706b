/** What of a tool is searched. */
export interface Searchable {
  name: string;
  title: string;
  description: string;
}

/** A word counts by the best place in which it stands. */
const WEIGHTS: Record<keyof Searchable, number> = { name: 4, title: 3, description: 1 };
/** A word of which only the beginning was asked for. */
const BEGUN = 0.5;
const SHORTEST_BEGINNING = 2;
const LONGEST_TEXT = 4_000;
const MOST_ASKED = 32;
/** Words that say nothing of what is looked for, of which models put many into a question. */
const IDLE = new Set(
  'a about an and are as at by can for from how in into is it of on or that the this to what which with'
    .split(' ')
    .map(singular),
);

/** Full text over tools, in memory: for each word, in which tools it stands, and how much it says of them. */
export class ToolIndex {
  private readonly postings = new Map<string, Map<number, number>>();
  /** In order, so that those with one beginning stand together. */
  private readonly words: string[];

  constructor(private readonly tools: readonly Searchable[]) {
    for (const [place, tool] of tools.entries())
      for (const field of ['name', 'title', 'description'] as const)
        for (const word of wordsOf(tool[field])) this.note(word, place, WEIGHTS[field]);
    this.words = [...this.postings.keys()].sort();
  }

  /** Places of the tools that fit, the best first; those that fit equally well in their own order. */
  search(query: string, limit: number): number[] {
    const asked = [...wordsOf(query)].filter((word) => !IDLE.has(word)).slice(0, MOST_ASKED);
    const scores = new Map<number, { score: number; fitting: number }>();
    for (const word of asked) {
      const found = this.find(word);
      const rarity = Math.log(1 + this.tools.length / found.size);
      for (const [place, weight] of found) {
        const { score, fitting } = scores.get(place) ?? { score: 0, fitting: 0 };
        scores.set(place, { score: score + weight * rarity, fitting: fitting + 1 });
      }
    }
    const rank = ([place, { score, fitting }]: [number, { score: number; fitting: number }]): [number, number] => [
      place,
      score * (fitting / asked.length),
    ];
    return [...scores]
      .map(rank)
      .sort(([left, worse], [right, better]) => better - worse || left - right)
      .slice(0, limit)
      .map(([place]) => place);
  }

  private note(word: string, place: number, weight: number): void {
    const places = this.postings.get(word) ?? new Map<number, number>();
    places.set(place, Math.max(places.get(place) ?? 0, weight));
    this.postings.set(word, places);
  }

  private find(asked: string): Map<number, number> {
    const found = new Map(this.postings.get(asked));
    if (asked.length < SHORTEST_BEGINNING) return found;
    for (let at = this.firstFrom(asked); this.words[at]?.startsWith(asked); at++)
      for (const [place, weight] of this.postings.get(this.words[at] ?? '') ?? [])
        found.set(place, Math.max(found.get(place) ?? 0, weight * BEGUN));
    return found;
  }

  private firstFrom(word: string): number {
    let [low, high] = [0, this.words.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.words[middle] ?? '') < word) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `createIssue`, `create_issue` and `HTTPServer` are several words; the plural of one is the same. */
function wordsOf(text: string): Set<string> {
  const apart = text
    .slice(0, LONGEST_TEXT)
    .normalize('NFKC')
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2');
  return new Set((apart.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map(singular));
}

function singular(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  return word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;
}
