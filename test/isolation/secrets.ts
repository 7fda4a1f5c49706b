import type { TestApp } from '../support/app.js';
import { snapshotOf } from './snapshot.js';
import { upstreamsOf, type Side } from './world.js';

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** What somebody must not read. */
export interface Hidden {
  ids: ReadonlySet<string>;
  words: readonly string[];
}

/** Ids and words of the one organization that nobody of the other may read in any answer. */
export async function secretsOf(app: TestApp, side: Side, other: Side): Promise<Hidden> {
  const [own, others] = [await snapshotOf(app, side.organization), await snapshotOf(app, other.organization)];
  const known = new Set(idsIn(others.join()));
  return {
    ids: new Set(idsIn(own.join()).filter((id) => !known.has(id))),
    words: [side.mark, side.credential, ...upstreamsOf(side).map(({ url }) => url)],
  };
}

/** Which of it a text tells. */
export function toldOf({ ids, words }: Hidden, text: string): string[] {
  return [...idsIn(text).filter((id) => ids.has(id)), ...words.filter((word) => text.includes(word))];
}

/** What is the operator's to see: who came and went, and how the organizations are called. */
export async function installationOf(app: TestApp): Promise<ReadonlySet<string>> {
  const rows = await app.query<{ row: string }>(
    `SELECT to_jsonb(t)::text AS row FROM audit_records t WHERE organization_id IS NULL
     UNION ALL SELECT id::text || name FROM organizations`,
  );
  return new Set(rows.flatMap(({ row }) => idsIn(row)));
}

function idsIn(text: string): string[] {
  return text.match(UUID) ?? [];
}

/** What its server was asked for: nobody of the other organization may have a call made there. */
export function callsOf(side: Side): number {
  const isRequest = ({ method }: { method?: string }): boolean => method !== undefined && method !== 'response';
  return upstreamsOf(side).flatMap(({ journal }) => journal.filter(isRequest)).length;
}
