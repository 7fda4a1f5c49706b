import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { validate as isUuid } from 'uuid';
import type { Actor } from '../../platform/auth/actor.js';
import { Environment } from '../../platform/config/environment.js';
import { parsedUrl } from '../../platform/egress/parse-url.js';
import { DomainError, forbidden, notFound } from '../../platform/http/domain-error.js';
import { AuthenticationService } from '../identity/authentication.service.js';
import { WorkspacesService } from '../identity/workspaces.service.js';
import type { Visitor } from './visitor.js';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Where RFC 9728 puts what is said about the resource at that path. */
export const METADATA_PATH = '/.well-known/oauth-protected-resource';

/** 401 with what a client needs to get a token (RFC 6750, section 3; RFC 9728, section 5.1). */
export class TokenRequired extends DomainError {
  constructor(
    readonly workspaceId: string,
    readonly hadToken: boolean,
  ) {
    super('unauthorized', 'A valid bearer token is required');
  }
}

/** Who may come in. */
@Injectable()
export class AdmissionService {
  private readonly publicHost: string;
  private readonly origins: ReadonlySet<string>;

  constructor(
    private readonly environment: Environment,
    private readonly authentication: AuthenticationService,
    private readonly workspaces: WorkspacesService,
  ) {
    const { host, origin } = new URL(environment.PUBLIC_URL);
    this.publicHost = host;
    this.origins = new Set([origin, ...environment.CORS_ORIGINS]);
  }

  /** The address of a workspace's endpoint: the resource that tokens are for (RFC 8707). */
  resourceOf(workspaceId: string): string {
    return `${this.environment.PUBLIC_URL}/mcp/workspaces/${workspaceId}`;
  }

  metadataOf(workspaceId: string): string {
    const { origin, pathname } = new URL(this.resourceOf(workspaceId));
    return `${origin}${METADATA_PATH}${pathname}`;
  }

  /** @throws DomainError 401 TokenRequired, 403 for a page of somebody else's, 404 for a workspace that is not the visitor's */
  async admit(request: FastifyRequest, named: string): Promise<Visitor> {
    this.refuseRebinding(request);
    const workspaceId = named.toLowerCase();
    const { authorization = '' } = request.headers;
    const { actor } = request;
    if (!actor) throw new TokenRequired(workspaceId, authorization !== '');
    const isElsewhere = actor.tokenId !== null && !actor.workspaces.has(workspaceId);
    if (isElsewhere) throw new TokenRequired(workspaceId, true);
    if (!isUuid(named)) throw notFound('workspace', named.slice(0, 200));
    const organizationId = await this.workspaces.organizationOf(actor, workspaceId);
    return { actor, authorization, organizationId, workspaceId };
  }

  /** Whether the visitor may still be here; the actor as it is now, for whom nothing is asked in a request. */
  async again({ authorization, workspaceId, actor }: Visitor): Promise<Actor | null> {
    const principal = await this.authentication.authenticate(authorization);
    if (!principal) return null;
    const now = { ...principal, origin: actor.origin };
    try {
      await this.workspaces.organizationOf(now, workspaceId);
      return now;
    } catch (error) {
      if (error instanceof DomainError && error.code === 'resource_not_found') return null;
      throw error;
    }
  }

  /** A page in a browser must not use our door by a name of its own that leads here (MCP, Streamable HTTP, Security). */
  private refuseRebinding({ headers, host }: FastifyRequest): void {
    const { origin } = headers;
    if (origin !== undefined && !this.origins.has(origin) && !isLoopbackOrigin(origin))
      throw forbidden('This origin may not use the endpoint: see CORS_ORIGINS');
    const name = host.replace(/:\d+$/, '').toLowerCase();
    if (host.toLowerCase() !== this.publicHost && !LOOPBACK.has(name))
      throw forbidden('The Host header is not that of PUBLIC_URL');
  }
}

function isLoopbackOrigin(origin: string): boolean {
  const url = parsedUrl(origin);
  return url !== null && /^https?:$/.test(url.protocol) && LOOPBACK.has(url.hostname);
}
