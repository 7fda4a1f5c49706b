/** Whose records somebody may read. */
export interface TrailScope {
  /** Everything of these; INSTALLATION is one of them for operators. */
  organizations: readonly string[];
  /** What this user or token did itself in organizations that it is in; null where that is not asked for. */
  own: { id: string; organizations: readonly string[] } | null;
  /** Of this organization only. */
  within?: string;
}

export interface TrailFilter {
  action?: string;
  object_type?: string;
  object_id?: string;
  /** User or token. */
  actor?: string;
  request_id?: string;
  /** First and last UTC day, `YYYY-MM-DD`. */
  date_from?: string;
  date_to?: string;
}

/** One record as the API shows it. */
export interface TrailRecord {
  id: string;
  trail: string;
  recorded_at: string;
  organization: string | null;
  actor: { type: 'user' | 'token' | 'system'; id: string | null; name: string | null };
  action: string;
  object: { type: string; id: string };
  before: unknown;
  after: unknown;
  address: string | null;
  request_id: string | null;
  seq: number | null;
}

/** Records older than `before`, newest first. */
export interface TrailPage {
  before: string | undefined;
  limit: number;
}

/** What one link of a chain stands for: `digest` is made anew from the rows, `hash` is what was stored with them. */
export interface TrailLink {
  seq: number;
  digest: Buffer;
  hash: Buffer;
  /** Of the rows, the first few. */
  ids: readonly string[];
}

/** A kind of records with a chain of its own per organization. Modules further along the ladder bring theirs. */
export interface AuditTrail {
  readonly name: string;
  list(scope: TrailScope, filter: TrailFilter, page: TrailPage): Promise<TrailRecord[]>;
  /** How many there are, counted up to `most`. */
  count(scope: TrailScope, filter: TrailFilter, most: number): Promise<number>;
  /** Links after `seq`, in order, some hundred at a time; none means the end. */
  links(organizationId: string, afterSeq: number): Promise<TrailLink[]>;
}
