import { Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Rejected, RPC } from '../../mcp/client-message.js';
import { ERROR_STATUS, type ErrorCode } from '../../platform/http/domain-error.js';
import { sendError, toDomainError } from '../../platform/http/error.filter.js';
import { AdmissionService, TokenRequired } from './admission.service.js';
import { AgentEndpointService } from './agent-endpoint.service.js';

/** What the parser of bodies says, and JSON-RPC 2.0 (section 5.1) for it. */
const UNREADABLE: ReadonlyMap<ErrorCode, number> = new Map([
  ['malformed_json', RPC.parseError],
  ['validation_failed', RPC.invalidRequest],
  ['payload_too_large', RPC.invalidRequest],
  ['unsupported_media_type', RPC.invalidRequest],
]);

type Handler = (request: FastifyRequest, reply: FastifyReply, workspace: string) => Promise<void>;

/**
 * MCP for agents: an endpoint for each workspace, which admits for itself who comes. Its routes are Fastify's own: it reads
 * messages and writes streams, and what Nest does between the two (guards, interceptors, pipes, serialization) is for the REST
 * API and takes as long as the rest of the way through HTTP. It speaks JSON-RPC, so it is described in
 * docs/adr/0025-the-agents-door.md and not in OpenAPI.
 */
@Injectable()
export class AgentEndpointRoutes implements OnModuleInit {
  private readonly logger = new Logger('agent-gateway');

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly admission: AdmissionService,
    private readonly endpoint: AgentEndpointService,
  ) {}

  onModuleInit(): void {
    const { endpoint } = this;
    this.serve('POST', (request, reply, workspace) => endpoint.post(request, reply, workspace));
    this.serve('GET', (request, reply, workspace) => endpoint.get(request, reply, workspace));
    this.serve('DELETE', (request, reply, workspace) => endpoint.delete(request, reply, workspace));
  }

  private serve(method: string, handle: Handler): void {
    this.host.httpAdapter.getInstance<FastifyInstance>().route<{ Params: { workspace: string } }>({
      method,
      url: '/mcp/workspaces/:workspace',
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        await handle(request, reply, request.params.workspace);
        // It is answered, or its stream is open.
        return reply;
      },
      errorHandler: (error, request, reply) => void this.refuse(error, request, reply),
    });
  }

  /** Says where to get a token (MCP, Authorization; RFC 9728, section 5.1), and in JSON-RPC what is wrong with a body. */
  private async refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const error = toDomainError(thrown);
    const unreadable = UNREADABLE.get(error.code);
    if (unreadable !== undefined)
      return this.endpoint.unreadable(
        request,
        reply,
        new Rejected(ERROR_STATUS[error.code], unreadable, error.message),
      );
    if (error.code === 'internal_error') this.logger.error({ request_id: request.id, err: thrown }, 'unexpected error');
    if (!(error instanceof TokenRequired)) return sendError(reply, request, error);
    const problem = error.hadToken ? ', error="invalid_token"' : '';
    const metadata = `resource_metadata="${this.admission.metadataOf(error.workspaceId)}"`;
    sendError(reply, request, error, `Bearer realm="mcp-control-plane"${problem}, ${metadata}`);
  }
}
