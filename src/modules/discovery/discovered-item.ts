import { createHash } from 'node:crypto';
import { RESOURCE_META } from '../../mcp/provider-meta.js';
import type { PromptDefinition } from './definition.entity.js';
import {
  keptAnnotations,
  keptArguments,
  keptExtras,
  keptListing,
  keptSchema,
  shownSchema,
  type ListedExtras,
} from './kept-definition.js';
import type { ResourceKind } from './resource.entity.js';
import { statedTitle } from './tool-identity.js';
import type { ToolDefinition } from './tool.entity.js';

/** RFC 9110 recommends to support 8,000 octets; longer than this no route of ours takes. */
export const LONGEST_URI = 2_048;
const LONGEST_NAME = 500;
const LONGEST_DESCRIPTION = 20_000;
const LONGEST_TYPE = 64;

/** One listed thing, made fit for a row. */
export interface DiscoveredItem {
  kind: ResourceKind;
  uri: string;
  name: string;
  type: string;
  description: string;
  schema: Record<string, unknown>;
  operations: string[];
  externalId: string | null;
  mimeType: string | null;
  listed: ListedExtras;
  parentUri: string | null;
  /** What is pinned of it, where it is a tool or a prompt. */
  tool: ToolDefinition | null;
  prompt: PromptDefinition | null;
}

type Listed = Record<string, unknown>;

/** A definition once more as the item that it was read from. */
export function itemOf(
  serverId: string,
  found: DiscoveredItem,
  inForce: ToolDefinition | PromptDefinition,
): DiscoveredItem {
  return readItem(found.kind, serverId, inForce) ?? found;
}

/** @returns null for an entry without a usable name or URI */
export function readItem(kind: ResourceKind, serverId: string, entry: unknown): DiscoveredItem | null {
  if (!isObject(entry)) return null;
  switch (kind) {
    case 'tool':
      return readTool(serverId, entry);
    case 'prompt':
      return readPrompt(serverId, entry);
    case 'resource':
      return readResource(kind, entry, entry.uri, ['read']);
    case 'resource_template':
      return readResource(kind, entry, entry.uriTemplate, ['read']);
  }
}

function readTool(serverId: string, entry: Listed): DiscoveredItem | null {
  const name = text(entry.name, LONGEST_NAME);
  if (name === null) return null;
  const definition: ToolDefinition = {
    name,
    inputSchema: isObject(entry.inputSchema) ? keptSchema(entry.inputSchema) : { type: 'object' },
    ...keptExtras(entry),
  };
  const annotations = isObject(entry.annotations) ? entry.annotations : null;
  const title = text(entry.title, LONGEST_NAME);
  const description = text(entry.description, LONGEST_DESCRIPTION);
  if (title !== null) definition.title = title;
  if (description !== null) definition.description = description;
  if (isObject(entry.outputSchema)) definition.outputSchema = keptSchema(entry.outputSchema);
  if (annotations) definition.annotations = keptAnnotations(annotations);
  return item('tool', toolUri(serverId, name), {
    name: text(statedTitle(definition), LONGEST_NAME) ?? name,
    type: 'tool',
    description,
    schema: shownSchema(definition.inputSchema),
    operations: ['execute'],
    externalId: name,
    tool: definition,
  });
}

function readPrompt(serverId: string, entry: Listed): DiscoveredItem | null {
  const name = text(entry.name, LONGEST_NAME);
  if (name === null) return null;
  const definition: PromptDefinition = { name, ...keptExtras(entry) };
  const title = text(entry.title, LONGEST_NAME);
  const description = text(entry.description, LONGEST_DESCRIPTION);
  if (title !== null) definition.title = title;
  if (description !== null) definition.description = description;
  if (Array.isArray(entry.arguments)) definition.arguments = keptArguments(entry.arguments as unknown[]);
  return item('prompt', `prompt://${serverId}/${encodeURIComponent(name)}`, {
    name: title ?? name,
    type: 'prompt',
    description,
    schema: definition.arguments ? { arguments: definition.arguments } : {},
    operations: ['get'],
    externalId: name,
    prompt: definition,
  });
}

function readResource(
  kind: 'resource' | 'resource_template',
  entry: Listed,
  address: unknown,
  operations: string[],
): DiscoveredItem | null {
  const uri = text(address, LONGEST_URI + 1);
  if (uri === null || uri.length > LONGEST_URI) return null;
  const meta = isObject(entry._meta) && isObject(entry._meta[RESOURCE_META]) ? entry._meta[RESOURCE_META] : {};
  const declared = Array.isArray(meta.operations)
    ? meta.operations.filter((word): word is string => typeof word === 'string')
    : null;
  const name = text(entry.title, LONGEST_NAME) ?? text(entry.name, LONGEST_NAME) ?? uri.slice(0, LONGEST_NAME);
  return item(kind, uri, {
    name,
    listed: keptListing(entry, name),
    type: text(meta.type, LONGEST_TYPE) ?? kind,
    description: text(entry.description, LONGEST_DESCRIPTION),
    schema: isObject(meta.schema) ? shownSchema(keptSchema(meta.schema)) : {},
    operations: declared ?? operations,
    externalId: text(meta.external_id, LONGEST_NAME),
    mimeType: text(entry.mimeType, LONGEST_NAME),
    parentUri: text(meta.parent, LONGEST_URI),
  });
}

/** The URI of a tool's resource row. */
export function toolUri(serverId: string, toolName: string): string {
  return `tool://${serverId}/${encodeURIComponent(toolName)}`;
}

interface ItemFields {
  name: string;
  type: string;
  description: string | null;
  schema: Record<string, unknown>;
  operations: string[];
  externalId: string | null;
  mimeType?: string | null;
  listed?: ListedExtras;
  parentUri?: string | null;
  tool?: ToolDefinition;
  prompt?: PromptDefinition;
}

function item(kind: ResourceKind, uri: string, fields: ItemFields): DiscoveredItem {
  return {
    mimeType: null,
    listed: {},
    parentUri: null,
    tool: null,
    prompt: null,
    ...fields,
    kind,
    uri,
    description: fields.description ?? '',
  };
}

/**
 * Each URI once per kind, and every parent before its children, however the server ordered them. A parent that is not
 * listed, or a circle of parents, leaves its children without one.
 */
export function parentsFirst(items: readonly DiscoveredItem[]): DiscoveredItem[] {
  const byUri = new Map<string, DiscoveredItem>();
  const unique = new Map<string, DiscoveredItem>();
  for (const each of items) {
    const key = `${each.kind} ${each.uri}`;
    if (unique.has(key)) continue;
    unique.set(key, each);
    if (each.kind === 'resource' || each.kind === 'resource_template') byUri.set(each.uri, each);
  }
  const ordered: DiscoveredItem[] = [];
  const state = new Map<DiscoveredItem, 'open' | 'done'>();
  for (const each of unique.values()) {
    // The chain up to the first ancestor that is placed already; a loop, not recursion: chains can be long. Open is what
    // stands in this chain, so meeting it again is a circle.
    const chain: DiscoveredItem[] = [];
    for (let next: DiscoveredItem | undefined = each; next && !state.has(next);) {
      state.set(next, 'open');
      chain.push(next);
      const parent: DiscoveredItem | undefined = next.parentUri === null ? undefined : byUri.get(next.parentUri);
      if (!parent || state.get(parent) === 'open') next.parentUri = null;
      next = next.parentUri === null ? undefined : parent;
    }
    for (const next of chain.reverse()) {
      state.set(next, 'done');
      ordered.push(next);
    }
  }
  return ordered;
}

export function uriDigest(uri: string): string {
  return createHash('sha256').update(uri).digest('base64url');
}

/** Of everything that is stored about an item. */
export function contentDigest(each: DiscoveredItem): string {
  return createHash('sha256').update(JSON.stringify(each)).digest('base64url');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** In the characters that are stored, so that two names that are stored alike are one. */
function text(value: unknown, longest: number): string | null {
  if (typeof value !== 'string' || value === '') return null;
  return value.slice(0, longest).replace(/\0|\p{Surrogate}/gu, '\ufffd');
}
