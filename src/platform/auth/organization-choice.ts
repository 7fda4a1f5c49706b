import { DomainError, notFound } from '../http/domain-error.js';
import { organizationIds, type Actor } from './actor.js';

/** The organizations in which an id is looked up: the named one, else all of the actor's. A foreign one holds nothing. */
export function candidateOrganizations(actor: Actor, named: string | undefined): string[] {
  if (named === undefined) return organizationIds(actor);
  return actor.organizations.has(named) ? [named] : [];
}

/** No id of ours has a NUL, and PostgreSQL takes none: such an id is as unknown as all others. */
export function canBeAnId(id: string): boolean {
  return !id.includes('\0');
}

/**
 * The one thing that an id means to this actor.
 * @throws DomainError 404 when there is none, 409 `organization_ambiguous` listing the organizations when there are several
 */
export function theOnly<T extends { organizationId: string }>(found: readonly T[], kind: string, id: string): T {
  const [first, ...others] = found;
  if (!first) throw notFound(kind, id);
  if (others.length > 0) {
    throw new DomainError(
      'organization_ambiguous',
      'This id exists in several of your organizations: name one with ?organization=',
      {
        organizations: found.map((each) => each.organizationId),
      },
    );
  }
  return first;
}
