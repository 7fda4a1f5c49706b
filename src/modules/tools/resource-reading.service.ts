import { Injectable } from '@nestjs/common';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { AccessDecisionsService } from '../workspace-access/access-decisions.service.js';
import type { Caller } from './caller.js';
import { toResourceAnswer, type ResourceAnswer } from './contents.js';
import { InvocationService, type ReadableResource } from './invocation.service.js';
import { ServersService } from './servers.service.js';

/** MCP 2025-11-25, Resources, Error Handling; 2026-07-28 uses Invalid params for the same. */
const UPSTREAM_NOT_FOUND: ReadonlySet<unknown> = new Set([-32_002, -32_602]);
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
    signal: AbortSignal,
  ): Promise<ResourceAnswer> {
    const { id: connectionId, organizationId } = await this.servers.findFor(caller, serverId, organization);
    const canBeThere = uri.length <= LONGEST_URI && !uri.includes('\0');
    const resourceId = canBeThere ? await this.resources.findByUri(connectionId, uri) : undefined;
    if (resourceId === undefined) throw notFound('resource', uri.slice(0, LONGEST_URI));
    return this.read(caller, { connectionId, organizationId, uri, resourceId, named: uri }, signal);
  }

  /** By the id of its row. */
  async readById(caller: Caller, id: number, signal: AbortSignal): Promise<ResourceAnswer> {
    const organizations = await this.decisions.organizationsOf(caller.actor, caller.workspace);
    const { connectionId, organizationId, uri } = await this.resources.readable(organizations, id);
    return this.read(caller, { connectionId, organizationId, uri, resourceId: id, named: id }, signal);
  }

  private async read(caller: Caller, resource: ReadableResource, signal: AbortSignal): Promise<ResourceAnswer> {
    const result = await this.invocation.readResource(caller, resource, signal).catch((error: unknown) => {
      throw isNotFound(error) ? notFound('resource', resource.uri) : error;
    });
    const answer = toResourceAnswer(result);
    if (!answer)
      throw new DomainError('upstream_error', 'The server answered with something that is no resource', {
        reason: 'protocol_error',
      });
    return answer;
  }
}

function isNotFound(error: unknown): boolean {
  const upstream =
    error instanceof DomainError ? (error.details.upstream as { code?: unknown } | undefined) : undefined;
  return upstream !== undefined && UPSTREAM_NOT_FOUND.has(upstream.code);
}
