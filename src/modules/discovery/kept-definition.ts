import { createHash } from 'node:crypto';
import { inspectSchema } from '../../platform/schemas/schema-bounds.js';

/** Longest part of a definition that is kept as it came. */
const LARGEST_PART_BYTES = 65_536;
/** Stands for a schema that is too large to keep: a digest, so that a change of it is a change of the definition. */
const TOO_LARGE = 'x-mcp-control-plane-too-large';
const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

type Part = Record<string, unknown>;

export function keptSchema(schema: Part): Part {
  return isTooLarge(schema) ? { [TOO_LARGE]: digestOf(schema) } : schema;
}

/** A schema as it is shown: that of a tool which can not be used says nothing. */
export function shownSchema(schema: Part): Part {
  return TOO_LARGE in schema ? {} : schema;
}

/** Why arguments can't be checked against a kept schema; null where they can. */
export function schemaProblem(schema: Part): string | null {
  if (TOO_LARGE in schema) return `/: must not be larger than ${LARGEST_PART_BYTES} bytes`;
  const [problem] = inspectSchema(schema).problems;
  return problem ? `${problem.path || '/'}: ${problem.message}`.slice(0, 500) : null;
}

/** Of annotations without measure only those that say what a tool does. */
export function keptAnnotations(annotations: Part): Part {
  if (!isTooLarge(annotations)) return annotations;
  return {
    ...Object.fromEntries(HINTS.map((hint) => [hint, annotations[hint] === true])),
    [TOO_LARGE]: digestOf(annotations),
  };
}

export function keptArguments(args: unknown[]): unknown[] {
  return isTooLarge(args) ? [{ [TOO_LARGE]: digestOf(args) }] : args;
}

function isTooLarge(part: unknown): boolean {
  return JSON.stringify(part).length > LARGEST_PART_BYTES;
}

function digestOf(part: unknown): string {
  return createHash('sha256').update(JSON.stringify(part)).digest('base64url');
}
