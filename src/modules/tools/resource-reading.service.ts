import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { hasRole } from '../../platform/auth/actor.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { toResourceAnswer, type ResourceAnswer } from './contents.js';
import { InvocationService } from './invocation.service.js';
import { ServersService } from './servers.service.js';
import { isExpansionOf } from './uri-template.js';

/** MCP 2025-11-25, Resources, Error Handling; 2026-07-28 uses Invalid params for the same. */
const UPSTREAM_NOT_FOUND: ReadonlySet<unknown> = new Set([-32_002, -32_602]);
const LONGEST_URI = 2_048;

/** Reads what was discovered: listed resources, and expansions of listed templates. */
@Injectable()
export class ResourceReadingService {
  constructor(
    private readonly servers: ServersService,
    private readonly resources: ResourcesService,
    private readonly invocation: InvocationService,
  ) {}

  /** By server and URI, as in the `/mcp/servers` API. */
  async readByUri(
    actor: Actor,
    serverId: string,
    uri: string,
    organization: string | undefined,
    signal: AbortSignal,
  ): Promise<ResourceAnswer> {
    const server = await this.servers.find(actor, serverId, organization);
    const known =
      hasRole(actor, server.organizationId, 'admin') &&
      uri.length <= LONGEST_URI &&
      (await this.isListed(server.id, uri));
    if (!known) throw notFound('resource', uri.slice(0, LONGEST_URI));
    return this.read(actor, { connectionId: server.id, organizationId: server.organizationId, uri }, signal);
  }

  /** By the id of its row. */
  async readById(actor: Actor, id: number, signal: AbortSignal): Promise<ResourceAnswer> {
    const { connectionId, organizationId, uri } = await this.resources.readable(actor, id);
    return this.read(actor, { connectionId, organizationId, uri }, signal);
  }

  private async isListed(connectionId: string, uri: string): Promise<boolean> {
    if (await this.resources.isListed(connectionId, uri)) return true;
    return (await this.resources.templatesOf(connectionId)).some((template) => isExpansionOf(template, uri));
  }

  private async read(
    actor: Actor,
    resource: { connectionId: string; organizationId: string; uri: string },
    signal: AbortSignal,
  ): Promise<ResourceAnswer> {
    const result = await this.invocation.readResource(actor, resource, signal).catch((error: unknown) => {
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
