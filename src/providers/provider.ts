import type { StartBuiltin } from '../mcp/builtin-server.js';

/** A server type as `POST /api/v1/mcp/registry/` takes it, but for its transport, which is the provider itself. */
export interface ProviderEntry {
  /** Part of the API, so never changed: below 1,000, and not that of another entry. */
  id: number;
  qualified_name: string;
  display_name: string;
  description: string;
  provider_type: string;
  category: string;
  scoping_config_schema: Record<string, unknown>;
  config_schema: { auth: Record<string, unknown>; options: Record<string, unknown> };
  /** docs/scopes.md */
  scopes: readonly object[];
  tool_effects: Record<string, 'read' | 'write' | 'destructive'>;
}

/** An MCP server that ships with the product and runs in its process: one folder, one line in index.ts. */
export interface Provider {
  /** Lower case; `transport.provider` of its server type. */
  name: string;
  entry: ProviderEntry;
  start: StartBuiltin;
}
