import type { CompiledScope } from './compiled-scope.js';

/** What the policy is made from: plain data, read by PoliciesService. */

export type PermissionLevel = 'read' | 'write' | 'admin';
export type Effect = 'read' | 'write' | 'destructive';

/**
 * How a resource stands in a grant. `explicit`: somebody added it. `automatic`: auto-sync did. `excluded`: taken out, although
 * a parent or the filters would bring it in.
 */
export type Mark = 'explicit' | 'automatic' | 'excluded';

export interface PolicyResource {
  id: number;
  kind: 'resource' | 'resource_template' | 'tool' | 'prompt';
  uri: string;
  name: string;
  type: string;
  parentId: number | null;
}

export interface PolicyTool {
  /** Of its resource. */
  id: number;
  name: string;
  publicId: string;
  effect: Effect;
}

/** What is available on a connection, and what its type declares. */
export interface ConnectionFacts {
  isActive: boolean;
  scopes: readonly CompiledScope[];
  /** Available ones only. */
  resources: ReadonlyMap<number, PolicyResource>;
  tools: ReadonlyMap<number, PolicyTool>;
}

export type ResourceFilters = Readonly<Record<string, unknown>>;

export interface GrantFacts {
  id: number;
  level: PermissionLevel;
  isActive: boolean;
  filters: ResourceFilters;
  marks: ReadonlyMap<number, Mark>;
}
