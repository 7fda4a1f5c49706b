import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { EventsService, type DomainEvent } from '../../platform/events/events.service.js';
import { FreshCache } from '../../platform/events/fresh-cache.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { CONNECTION_CHANGED, CONNECTION_STATUS } from '../connections/connections.events.js';
import { ConnectedServersService } from '../connections/connected-servers.service.js';
import { DISCOVERY_FINISHED, TOOL_CHANGED } from '../discovery/discovery.events.js';
import { PromptCatalogService, publicNameOf, type PromptFacts } from '../discovery/prompt-catalog.service.js';
import { SERVER_TYPE_CHANGED } from '../registry/registry.events.js';
import { PoliciesService, type Grant } from '../workspace-access/policies.service.js';
import { UriKeepersService } from './uri-keepers.service.js';
import { ACCESS_CHANGED } from '../workspace-access/workspace-access.events.js';

/** A net under the events. */
const CACHED_MS = 30_000;
const MOST_CACHED = 500;

/** Whatever changes what agents are offered. */
export const OFFER_CHANGED = [
  ACCESS_CHANGED,
  CONNECTION_CHANGED,
  CONNECTION_STATUS,
  DISCOVERY_FINISHED,
  SERVER_TYPE_CHANGED,
  TOOL_CHANGED,
];

/** A resource or template, and where it is. */
export interface OfferedResource {
  id: number;
  connectionId: string;
  /** At its server. */
  uri: string;
  /** As agents are shown it: the same, unless that is the name of another connection's. */
  publicUri: string;
}

export interface OfferedPrompt extends PromptFacts {
  publicName: string;
}

/** What a workspace may use, by the names that agents know it by. Lists are in the order of discovery: what comes later stands later. */
export interface WorkspaceCatalog {
  organizationId: string;
  /** Public id to resource id. */
  tools: ReadonlyMap<string, number>;
  prompts: ReadonlyMap<string, OfferedPrompt>;
  /** By public URI. */
  resources: ReadonlyMap<string, OfferedResource>;
  templates: readonly OfferedResource[];
  /** Servers that did not answer when they were last asked. What they offer is listed all the same. */
  unreachable: readonly string[];
}

/** What agents are offered in each workspace: everything that its grants allow, and nothing else. */
@Injectable()
export class WorkspaceCatalogService implements OnModuleDestroy {
  private readonly catalogs: FreshCache<WorkspaceCatalog>;

  constructor(
    private readonly policies: PoliciesService,
    private readonly prompts: PromptCatalogService,
    private readonly servers: ConnectedServersService,
    private readonly uriKeepers: UriKeepersService,
    events: EventsService,
  ) {
    this.catalogs = new FreshCache(events, OFFER_CHANGED, {
      max: MOST_CACHED,
      ttlMs: CACHED_MS,
      affects: (event, key) => isAbout(event, { organizationId: key.slice(0, 36), workspaceId: key.slice(37) }),
    });
  }

  onModuleDestroy(): void {
    this.catalogs.close();
  }

  of(organizationId: string, workspaceId: string): MaybePromise<WorkspaceCatalog> {
    return this.catalogs.get(`${organizationId} ${workspaceId}`, () => this.compile(organizationId, workspaceId));
  }

  private async compile(organizationId: string, workspaceId: string): Promise<WorkspaceCatalog> {
    const grants = await this.policies.ofWorkspaces([workspaceId]);
    grants.sort((left, right) => left.policy.grant.id - right.policy.grant.id);
    const connectionIds = [...new Set(grants.map(({ connectionId }) => connectionId))];
    const promptIds = idsOf(grants, 'prompt');
    const [servers, prompts, keepers] = await Promise.all([
      this.servers.ofIds(organizationId, connectionIds),
      promptIds.length === 0 ? [] : this.prompts.ofIds(organizationId, promptIds),
      this.uriKeepers.of(organizationId, workspaceId, contested(grants)),
    ]);
    const serverIds = new Map(servers.map(({ id, slug }) => [id, slug]));
    return {
      organizationId,
      tools: toolsOf(grants),
      prompts: named(prompts),
      resources: new Map(
        addressed(grants, 'resource', serverIds, keepers).map((resource) => [resource.publicUri, resource]),
      ),
      templates: addressed(grants, 'resource_template', serverIds, keepers),
      unreachable: servers.filter(({ status }) => status === 'error').map(({ slug }) => slug),
    };
  }
}

/** Whether an event may change what a workspace is offered; of connections only the organization is known. */
export function isAbout(event: DomainEvent, place: { organizationId: string; workspaceId: string }): boolean {
  if (typeof event.workspace_id === 'string') return event.workspace_id === place.workspaceId;
  return typeof event.organization_id !== 'string' || event.organization_id === place.organizationId;
}

function toolsOf(grants: readonly Grant[]): Map<string, number> {
  const named = grants.flatMap(({ toolIds, policy }) =>
    toolIds.map((id) => [policy.connection.tools.get(id)?.publicId ?? '', id] as const),
  );
  return new Map(named.filter(([name]) => name !== '').sort(([, left], [, right]) => left - right));
}

function idsOf(grants: readonly Grant[], kind: string): number[] {
  const ids = grants.flatMap(({ resourceIds, policy }) =>
    resourceIds.filter((id) => policy.connection.resources.get(id)?.kind === kind),
  );
  return [...new Set(ids)].sort((left, right) => left - right);
}

/** Without a definition that somebody approved there is nothing to show an agent. */
function named(prompts: readonly PromptFacts[]): Map<string, OfferedPrompt> {
  const offered = new Map<string, OfferedPrompt>();
  const taken = new Set<string>();
  for (const prompt of prompts) {
    if (prompt.blocked === 'definition_pending' || prompt.blocked === 'definition_rejected') continue;
    const publicName = publicNameOf(prompt.serverId, prompt.definition.name, taken);
    taken.add(publicName);
    offered.set(publicName, { ...prompt, publicName });
  }
  return offered;
}

/** URIs that several connections offer, each with that of the oldest grant. */
function contested(grants: readonly Grant[]): Map<string, string> {
  const first = new Map<string, string>();
  const several = new Map<string, string>();
  for (const { connectionId, resourceIds, policy } of grants) {
    for (const id of resourceIds) {
      const resource = policy.connection.resources.get(id);
      if (resource?.kind !== 'resource' && resource?.kind !== 'resource_template') continue;
      const keeper = first.get(resource.uri) ?? connectionId;
      first.set(resource.uri, keeper);
      if (keeper !== connectionId) several.set(resource.uri, keeper);
    }
  }
  return several;
}

/** URIs pass unchanged; of those that several connections offer, or ever did, one keeps it and the others get one that names their server. */
function addressed(
  grants: readonly Grant[],
  kind: 'resource' | 'resource_template',
  serverIds: ReadonlyMap<string, string>,
  keepers: ReadonlyMap<string, string>,
): OfferedResource[] {
  const offered = new Map<number, OfferedResource>();
  for (const { connectionId, resourceIds, policy } of grants) {
    for (const id of resourceIds) {
      const resource = policy.connection.resources.get(id);
      if (resource?.kind !== kind || offered.has(id)) continue;
      const { uri } = resource;
      const keeper = keepers.get(uri) ?? connectionId;
      // Names that tell servers apart are ours to give.
      const isItsOwn = keeper === connectionId && !uri.startsWith('mcp://');
      const publicUri = isItsOwn ? uri : uriAt(serverIds.get(connectionId) ?? connectionId, uri);
      offered.set(id, { id, connectionId, uri, publicUri });
    }
  }
  return [...offered.values()].sort((left, right) => left.id - right.id);
}

/** The address of a resource by its server; templates stay templates. */
export function uriAt(serverId: string, uri: string): string {
  return `mcp://${serverId}/${encodeURIComponent(uri).replaceAll('%7B', '{').replaceAll('%7D', '}')}`;
}
