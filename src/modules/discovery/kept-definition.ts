import { createHash } from 'node:crypto';
import { inspectSchema } from '../../platform/schemas/schema-bounds.js';

/** Longest part of a definition that is kept as it came. */
const LARGEST_PART_BYTES = 65_536;
/** Stands for a schema that is too large to keep: a digest, so that a change of it is a change of the definition. */
const TOO_LARGE = 'x-mcp-control-plane-too-large';
const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

type Part = Record<string, unknown>;

/** Of a resource or template (MCP, Resource), beside what has columns of its own; `name` where that is not its title. */
export interface ListedExtras {
  name?: string;
  title?: string;
  size?: number;
  icons?: unknown[];
  annotations?: Part;
  _meta?: Part;
}

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

/** Of what says nothing of use or safety; what is too large is left out. */
export function keptExtras(entry: Part): Pick<ListedExtras, 'icons' | '_meta'> {
  const { icons, _meta: meta } = entry;
  return {
    ...(Array.isArray(icons) && !isTooLarge(icons) ? { icons } : {}),
    ...(isPart(meta) && !isTooLarge(meta) ? { _meta: meta } : {}),
  };
}

/** @param shownAs the name that its row has */
export function keptListing(entry: Part, shownAs: string): ListedExtras {
  const { name, title, size, annotations } = entry;
  return {
    ...(typeof name === 'string' && name !== shownAs && !isTooLarge(name) ? { name } : {}),
    ...(typeof title === 'string' && title === shownAs ? { title } : {}),
    ...(Number.isSafeInteger(size) ? { size: size as number } : {}),
    ...(isPart(annotations) && !isTooLarge(annotations) ? { annotations } : {}),
    ...keptExtras(entry),
  };
}

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTooLarge(part: unknown): boolean {
  return JSON.stringify(part).length > LARGEST_PART_BYTES;
}

function digestOf(part: unknown): string {
  return createHash('sha256').update(JSON.stringify(part)).digest('base64url');
}
