import { DomainError, invalid } from '../../platform/http/domain-error.js';
import type { CreateServerType } from './registry.dto.js';
import { Place, type Problems } from './server-json-place.js';
import { readPackage } from './server-json-package.js';
import { readRemote, type Reached } from './server-json-remote.js';
import { checkTransport } from './transport-check.js';
import { optionsOf } from './well-known/entry.js';

/** Entries of `remotes` or `packages` that are looked at. */
const MOST_ENTRIES = 16;
/** Places that an answer names. */
const MOST_PLACES = 50;
const NAME = /^[a-z0-9][a-z0-9.-]{0,63}\/[a-z0-9][a-z0-9._-]{0,63}$/i;

export type ImportSource = 'remote' | 'package';

/** A document as the body of `POST /api/v1/mcp/registry/`. */
export interface ImportedType {
  body: Omit<CreateServerType, 'organization'>;
  /** Of the entry that the server is reached by: `remotes[0]`. */
  place: string;
}

/**
 * Reads a `server.json` of the official registry, of any version of its schema from 2025-07-09 on, or the answer of the
 * registry's API that wraps one. Looks nothing up: it is a pure function of the document.
 * @param source which kind of entry to take; else the first remote that can be used, else the first package that can
 * @throws DomainError 400 naming the places in the document
 */
export function readServerJson(document: unknown, source?: ImportSource): ImportedType {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new DomainError('validation_failed', 'The body must be a JSON object', { fields: {} });
  const root = unwrapped(new Place(document, ''));
  const named = root.member('name').neededText(200, NAME, 'must look like io.github.user/server');
  const title = root.member('title').text(200)?.trim();
  const description = root.member('description').text(2_000) ?? '';
  root.member('version').text(255);
  refuseProblems(root.problems);
  const { reached, place } = entryOf(root, source);
  const name = named.toLowerCase();
  return {
    body: {
      qualified_name: name,
      display_name: title ? title : named,
      description,
      provider_type: providerOf(name),
      config_schema: { auth: reached.auth, options: optionsOf() },
      transport: { ...reached.transport },
    },
    place,
  };
}

/** The registry's API answers `{"server": ..., "_meta": ...}`. */
function unwrapped(root: Place): Place {
  const inner = root.member('server');
  return !root.member('name').isThere && inner.isThere && inner.isObject() ? inner : root;
}

function entryOf(root: Place, source: ImportSource | undefined): { reached: Reached; place: string } {
  const entries = {
    remote: root.member('remotes').list(MOST_ENTRIES),
    package: root.member('packages').list(MOST_ENTRIES),
  };
  refuseProblems(root.problems);
  const problems: Problems = new Map();
  for (const kind of source === undefined ? (['remote', 'package'] as const) : [source]) {
    for (const shared of entries[kind]) {
      const entry = shared.apart;
      const reached = checked(kind === 'remote' ? readRemote(entry) : readPackage(entry), entry);
      if (reached) return { reached, place: entry.path };
      for (const [path, texts] of entry.problems) problems.set(path, texts);
    }
  }
  if (problems.size > 0) throw refusal(problems);
  root.member(source === 'package' ? 'packages' : 'remotes').report('must have an entry that says how it is reached');
  throw refusal(root.problems);
}

/** By the rules for every transport; what they refuse is told of the place it came from. */
function checked(reached: Reached | null, entry: Place): Reached | null {
  if (reached === null || entry.problems.size > 0) return null;
  try {
    checkTransport({ ...reached.transport }, { auth: reached.auth, options: optionsOf() });
    return reached;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    for (const [field, texts] of Object.entries(error.details.fields as Record<string, string[]>))
      for (const text of texts) (reached.places.get(field) ?? entry).report(text);
    return null;
  }
}

function refuseProblems(problems: Problems): void {
  if (problems.size > 0) throw refusal(problems);
}

function refusal(problems: Problems): DomainError {
  return invalid(Object.fromEntries([...problems].slice(0, MOST_PLACES)));
}

/** `io.github.acme/wiki-mcp-server` is of `wiki`, `com.notion/mcp` of `notion`. */
function providerOf(name: string): string {
  const [space = '', server = ''] = name.split('/');
  const words = (text: string): string[] => text.split(/[._-]+/).filter((word) => !/^(mcp|server|)$/.test(word));
  const own = words(server).join('-');
  return own === '' ? (words(space).at(-1) ?? 'mcp') : own;
}
