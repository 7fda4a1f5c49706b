import type { ItemsPage, ItemWindow } from '../../mcp/provider-meta.js';

export type { ItemWindow };

/** A resource as discovery takes it: what MCP has no words for goes into `_meta`. */
export interface ProviderResource {
  uri: string;
  name: string;
  description?: string;
  mimeType?: string;
  /** `project`, `issue`, `repository`, ... */
  type: string;
  /** URI of the resource it lies below, which grants it along. */
  parent?: string;
  externalId?: string;
  operations: readonly string[];
  /** Of one item. */
  schema?: Record<string, unknown>;
}

export interface ProviderTemplate {
  uriTemplate: string;
  name: string;
  description?: string;
  mimeType?: string;
  type: string;
}

/** What an item says everywhere, over the fields of its own system. */
export interface Item extends Record<string, unknown> {
  id: string;
  title: string;
  url: string;
  status: string;
  /** ISO 8601, UTC. */
  updated_at: string;
}

export type Reading =
  | ({ kind: 'items'; items: readonly Item[] } & ItemsPage)
  | { kind: 'text'; text: string; mimeType: string }
  | { kind: 'blob'; base64: string; mimeType: string };

export interface ProviderResources {
  templates: readonly ProviderTemplate[];
  /** One page of what there is, parents before their children. */
  list(
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ resources: ProviderResource[]; nextCursor?: string }>;
  /** Null where there is no such thing. @throws ToolFailure, EgressError */
  read(uri: string, window: ItemWindow, signal: AbortSignal): Promise<Reading | null>;
}
