import { createHash } from 'node:crypto';
import { TOOL_EFFECTS, type ToolDefinition, type ToolEffect } from './tool.entity.js';

const LONGEST_PUBLIC_ID = 128;
const HASH_LENGTH = 8;
const LONGEST_TITLE = 500;

/**
 * `{server_id}_{tool_name}` in the characters that every MCP client takes (SEP-986). Where that is too long or already
 * taken by another tool of the organization, a hash of the two names ends it, so that it comes out the same every time.
 * @param taken public ids of other tools
 */
export function publicToolId(serverId: string, toolName: string, taken: ReadonlySet<string>): string {
  const plain = `${serverId}_${toolName}`.replace(/[^A-Za-z0-9_.-]/g, '_');
  if (plain.length <= LONGEST_PUBLIC_ID && !taken.has(plain)) return plain;
  const hash = createHash('sha256').update(`${serverId}\n${toolName}`).digest('hex');
  for (let length = HASH_LENGTH; ; length += HASH_LENGTH) {
    const ending = `_${hash.slice(0, length)}`;
    const id = plain.slice(0, LONGEST_PUBLIC_ID - ending.length) + ending;
    if (!taken.has(id) || length >= hash.length) return id;
  }
}

/** The title that a server gives a tool: its own, else that in its annotations (MCP 2025-11-25, ToolAnnotations). */
export function statedTitle({ title, annotations }: ToolDefinition): string | undefined {
  const annotated = annotations?.title;
  return title ?? (typeof annotated === 'string' && annotated !== '' ? annotated.slice(0, LONGEST_TITLE) : undefined);
}

/** `get_weather` becomes `Get Weather`, `listUserRepos` becomes `List User Repos`. */
export function titleOf(tool: ToolDefinition): string {
  const stated = statedTitle(tool);
  if (stated !== undefined) return stated;
  const words = tool.name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return words.length === 0 ? tool.name : words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ');
}

/**
 * What a tool says that it may do, in its annotations (MCP 2025-11-25, ToolAnnotations); the worst where it says several
 * things. Whether it is believed is decided where tools are read.
 */
export function claimedEffect(tool: ToolDefinition): ToolEffect {
  const { readOnlyHint, destructiveHint } = tool.annotations ?? {};
  if (destructiveHint === true) return 'destructive';
  return readOnlyHint === true ? 'read' : 'write';
}

export function greaterEffect(left: ToolEffect, right: ToolEffect): ToolEffect {
  return TOOL_EFFECTS.indexOf(left) >= TOOL_EFFECTS.indexOf(right) ? left : right;
}
