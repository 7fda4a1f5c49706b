import { createHash } from 'node:crypto';
import { canonicalJson } from '../../../platform/json/canonical-json.js';

/** What is kept of one tool of a server: its name, the server's own hints, and the shape of its arguments. No text. */
export interface ListedTool {
  name: string;
  annotations: Partial<Record<Hint, boolean>>;
  /** Name to JSON type; `unknown` where the schema names none at its top. */
  properties: Record<string, string>;
  required: string[];
}

/** What one version of a package answered to `tools/list`, so that a stranger can read it again and compare. */
export interface ToolsList {
  package: string;
  version: string;
  /** What it was started with, where that decides which tools there are. */
  args?: readonly string[];
  /** Of the canonical JSON of the full list, texts and all. */
  sha256: string;
  tools: readonly ListedTool[];
}

/** Where verified effects of a server type come from. */
export interface EffectsSource {
  package: string;
  version: string;
  /** Digest of the list they were read from: `sha256:...`. */
  tools_list: string;
}

type Hint = (typeof HINTS)[number];
const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

export function effectsSourceOf({ package: name, version, sha256 }: ToolsList): EffectsSource {
  return { package: name, version, tools_list: `sha256:${sha256}` };
}

/** @param tools `tools` of every page of an answer to `tools/list`, in order */
export function toToolsList(
  about: Pick<ToolsList, 'package' | 'version' | 'args'>,
  tools: readonly AnsweredTool[],
): ToolsList {
  return {
    ...about,
    sha256: createHash('sha256').update(canonicalJson(tools)).digest('hex'),
    tools: tools.map(listed),
  };
}

export interface AnsweredTool {
  name: string;
  annotations?: Record<string, unknown>;
  inputSchema: { properties?: Record<string, object>; required?: string[] };
}

function listed({ name, annotations = {}, inputSchema }: AnsweredTool): ListedTool {
  const hints = HINTS.filter((hint) => typeof annotations[hint] === 'boolean');
  const properties = Object.entries(inputSchema.properties ?? {});
  return {
    name,
    annotations: Object.fromEntries(hints.map((hint) => [hint, annotations[hint] as boolean])),
    properties: Object.fromEntries(properties.map(([key, schema]) => [key, typeOf(schema)])),
    required: inputSchema.required ?? [],
  };
}

function typeOf(schema: { type?: unknown }): string {
  const types = [schema.type].flat();
  return types.every((type) => typeof type === 'string') ? types.join('|') : 'unknown';
}
