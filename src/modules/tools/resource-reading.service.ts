import { Injectable } from '@nestjs/common';
import type { ItemWindow } from '../../mcp/provider-meta.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { notFound } from '../../platform/http/domain-error.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { AccessDecisionsService } from '../workspace-access/access-decisions.service.js';
import type { Caller } from './caller.js';
import { toResourceAnswer, type ResourceAnswer } from './contents.js';
import { InvocationService } from './invocation.service.js';
import { ServersService } from './servers.service.js';

const LONGEST_URI = 2_048;

/** Reads what was discovered: listed resources, and expansions of listed templates. */
@Injectable()
export class ResourceReadingService {
  constructor(
    private readonly servers: ServersService,
    private readonly resources: ResourcesService,
    private readonly decisions: AccessDecisionsService,
    private readonly invocation: InvocationService,
  ) {}

  /** By server and URI, as in the `/mcp/servers` API. */
  async readByUri(
    caller: Caller,
    serverId: string,
    uri: string,
    organization: string | undefined,
    signal: CancelSignal,
  ): Promise<ResourceAnswer> {
    const { id: connectionId, organizationId } = await this.servers.findFor(caller, serverId, organization);
    const canBeThere = uri.length <= LONGEST_URI && !uri.includes('\0');
    const offered = canBeThere ? await this.resources.findByUri(connectionId, uri) : undefined;
    if (!offered) throw notFound('resource', uri.slice(0, LONGEST_URI));
    const resource = { connectionId, organizationId, uri, ...offered, named: uri };
    return this.invocation.readResource(caller, resource, { signal }, toResourceAnswer);
  }

  /** By the id of its row. */
  async readById(caller: Caller, id: number, window: ItemWindow, signal: CancelSignal): Promise<ResourceAnswer> {
    const organizations = await this.decisions.organizationsOf(caller.actor, caller.workspace);
    const { connectionId, organizationId, uri } = await this.resources.readable(organizations, id);
    const resource = { connectionId, organizationId, uri, resourceId: id, listedAs: id, named: id, window };
    return this.invocation.readResource(caller, resource, { signal }, toResourceAnswer);
  }
}
