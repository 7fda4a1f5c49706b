import type { NodeBudget } from './node-budget.js';

/**
 * Atlassian Document Format, in which Cloud's API v3 takes and gives texts:
 * https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
 */
export interface AtlassianDocument {
  type: 'doc';
  version: 1;
  content: readonly object[];
}

const DEEPEST = 60;
const LONGEST = 200_000;
const BLOCKS: ReadonlySet<unknown> = new Set(
  'paragraph heading codeBlock blockquote panel rule bulletList orderedList taskList decisionList table'
    .split(' ')
    .concat('mediaSingle mediaGroup expand nestedExpand blockCard embedCard layoutSection'.split(' ')),
);
const ITEMS: ReadonlySet<unknown> = new Set(['listItem', 'taskItem', 'decisionItem', 'tableRow']);

export function isDocument(value: unknown): boolean {
  return isNode(value) && value.type === 'doc' && Array.isArray(value.content);
}

/** The plain text of a document: paragraphs divided by an empty line, items of lists on lines of their own. */
export function documentText(document: unknown, budget: NodeBudget): string {
  return nodeText(document, 0, { nodes: budget, characters: LONGEST })
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()
    .slice(0, LONGEST);
}

/** A document of paragraphs; single line ends stay. */
export function textDocument(text: string): AtlassianDocument {
  const paragraphs = text.replaceAll(/\r\n?/g, '\n').split(/\n{2,}/);
  return { type: 'doc', version: 1, content: paragraphs.filter((each) => each !== '').map(paragraph) };
}

function paragraph(text: string): object {
  const content = text.split('\n').flatMap((line, index) => [
    ...(index > 0 ? [{ type: 'hardBreak' }] : []),
    // A text node must not be empty.
    ...(line === '' ? [] : [{ type: 'text', text: line }]),
  ]);
  return { type: 'paragraph', content };
}

interface Room {
  nodes: NodeBudget;
  characters: number;
}

function nodeText(node: unknown, depth: number, room: Room): string {
  room.nodes.left--;
  if (!isNode(node) || depth > DEEPEST) return '';
  const { type, text, attrs } = node;
  if (type === 'text') return cut(text, room);
  if (type === 'hardBreak') return '\n';
  const content = Array.isArray(node.content) ? (node.content as unknown[]) : [];
  let inner = '';
  for (const child of content) {
    if (room.nodes.left <= 0 || room.characters <= 0) break;
    inner += nodeText(child, depth + 1, room);
  }
  inner ||= cut(attributeText(attrs), room);
  if (ITEMS.has(type)) return `${type === 'tableRow' ? '' : '- '}${inner.trim()}\n`;
  if (type === 'tableCell' || type === 'tableHeader') return `${inner.trim()} | `;
  return BLOCKS.has(type) ? `${inner}\n\n` : inner;
}

function cut(text: unknown, room: Room): string {
  if (typeof text !== 'string') return '';
  const fitting = text.slice(0, room.characters);
  room.characters -= fitting.length;
  return fitting;
}

/** What stands for a mention, an emoji, a date or a card. */
function attributeText(attrs: unknown): string {
  if (!isNode(attrs)) return '';
  const shown = [attrs.text, attrs.shortName, attrs.url, attrs.title].find((each) => typeof each === 'string');
  return typeof shown === 'string' ? shown : '';
}

function isNode(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
