/** How values of a part are compared. `path`: absolute and normalized, at or below a granted one. */
export type Comparison = 'exact' | 'case_insensitive' | 'path';

/** JSON pointers (`*`: each element of an array) to templates of what stands there: `{"/issue_key": "{project_key}-{number}"}`. */
export type Place = Readonly<Record<string, string>>;

/** What of an answer may be seen. `items`: where they stand, and the parts in each. `lines`: each line of a text is one. */
export type ResultFilter =
  | { kind: 'items'; items: string; parts: Place; optional?: boolean }
  | { kind: 'lines'; value: string; structured?: string; keep?: readonly string[] };

export interface Injection {
  /** Where allowed values go when the caller gave none. */
  at: string;
  value: string;
  as: 'single' | 'list';
}

/** A read tool of the same server that knows the parts which the arguments lack. */
export interface Resolution {
  tool: string;
  /** Its arguments: name to a pointer into the arguments of the call. */
  arguments: Readonly<Record<string, string>>;
  result: Place;
}

export interface ToolBinding {
  /** Each place gives the whole tuple; all that are there must fit. */
  arguments?: readonly Place[];
  inject?: Injection;
  resolve?: Resolution;
  results?: readonly ResultFilter[];
}

/** What reading a resource of this URI tells. */
export interface ReadBinding {
  uri: string;
  results?: readonly ResultFilter[];
}

/**
 * Ties tools to resources (docs/scopes.md): one or more parts, compared as one tuple, and where they are found. A scope
 * without `resources` exists for its filters alone.
 */
export interface Scope {
  name: string;
  parts: Readonly<Record<string, Comparison>>;
  /** URI templates of the resources that a tuple identifies. */
  resources?: readonly string[];
  /** Key of `resource_filters` to a template of its values. */
  filters?: Readonly<Record<string, string>>;
  /** By the tool's name at the server. */
  tools?: Readonly<Record<string, ToolBinding>>;
  reads?: readonly ReadBinding[];
}

/** A resource that the server has but does not list, such as the folder it was started with. */
export interface DeclaredResource {
  uri: string;
  name: string;
  type: string;
  description?: string;
  /** URI of the resource it belongs to. */
  parent?: string;
}

/** What a tool of the type does, as somebody verified it. */
export type VerifiedEffect = 'read' | 'write' | 'destructive';
