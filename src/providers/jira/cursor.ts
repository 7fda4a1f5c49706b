import { createHash } from 'node:crypto';
import { ToolFailure } from '../kit/tool.js';

/** Where a listing goes on: after so many, or from a token of Jira. */
export interface Position {
  startAt?: number;
  token?: string;
  /** The issue before, and when it was updated: whether the count still means the same. */
  last?: string;
  updated?: string;
  /** The largest time so far, and the one that the listing began with. */
  checkpoint?: string;
  since?: string;
}

const LONGEST = 8_192;
const MOST = 10_000_000;
const TEXTS = ['token', 'last', 'updated', 'checkpoint', 'since'] as const;

/** A text for the caller to hand back, of use for the same question only. */
export function cursorOf(question: string, position: Position): string {
  return Buffer.from(JSON.stringify({ ...position, of: digestOf(question) }), 'utf8').toString('base64url');
}

/** @throws ToolFailure for what this server did not make of the same question */
export function positionIn(cursor: string | undefined, question: string): Position {
  if (cursor === undefined) return {};
  const read = cursor.length > LONGEST ? null : parsed(cursor);
  if (read === null || read.of !== digestOf(question)) throw notACursor();
  const position: Position = {};
  if (read.startAt !== undefined) position.startAt = countIn(read.startAt);
  for (const name of TEXTS) {
    const value = read[name];
    if (value === undefined) continue;
    if (typeof value !== 'string') throw notACursor();
    position[name] = value;
  }
  return position;
}

function parsed(cursor: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function countIn(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST) return value;
  throw notACursor();
}

function notACursor(): ToolFailure {
  return new ToolFailure('The cursor is not one of this listing: begin again without it');
}

function digestOf(question: string): string {
  return createHash('sha256').update(question).digest('base64url').slice(0, 16);
}
