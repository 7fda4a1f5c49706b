import { Rejected, RPC } from '../../mcp/client-message.js';
import { isExpansionOf } from '../../mcp/uri-template.js';
import type { ReadableResource } from '../tools/invocation.service.js';
import type { OfferedResource, WorkspaceCatalog } from './workspace-catalog.service.js';

const LONGEST_URI = 2_048;

/** What an agent names by its URI. */
export type NamedResource = ReadableResource & { named: string };

/**
 * What a URI means in a workspace: a listed resource, else the expansion of a listed template, the older one first.
 * @throws Rejected where it is none
 */
export function findResource(catalog: WorkspaceCatalog, uri: unknown): NamedResource {
  if (typeof uri !== 'string' || uri.length > LONGEST_URI || uri.includes('\0'))
    throw new Rejected(200, RPC.invalidParams, `params.uri must be a string of at most ${LONGEST_URI} characters`);
  const { organizationId, resources, templates } = catalog;
  const listed = resources.get(uri);
  if (listed) return { ...place(listed), organizationId, uri: listed.uri, resourceId: listed.id, named: uri };
  for (const template of templates) {
    if (!isExpansionOf(template.publicUri, uri)) continue;
    const own = template.publicUri === template.uri ? uri : atServer(template, uri);
    if (own !== null && isExpansionOf(template.uri, own))
      return { ...place(template), organizationId, uri: own, resourceId: null, named: uri };
  }
  throw new Rejected(200, RPC.invalidParams, 'Resource not found', { uri });
}

function place({ connectionId, id }: OfferedResource): { connectionId: string; listedAs: number } {
  return { connectionId, listedAs: id };
}

/** The URI at the server of one that names the server, see uriAt. */
function atServer({ publicUri }: OfferedResource, expansion: string): string | null {
  const prefix = publicUri.slice(0, publicUri.indexOf('/', 'mcp://'.length) + 1);
  if (!expansion.startsWith(prefix)) return null;
  try {
    return decodeURIComponent(expansion.slice(prefix.length));
  } catch {
    return null;
  }
}
