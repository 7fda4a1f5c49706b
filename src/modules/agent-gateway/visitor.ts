import type { FastifyRequest } from 'fastify';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import type { Actor } from '../../platform/auth/actor.js';
import { traceOfRequest } from '../../platform/telemetry/trace-context.js';
import type { Caller } from '../tools/invocation.service.js';

/** Who stands at the door of a workspace: an agent with a token of the workspace, or somebody who works in it. */
export interface Visitor {
  actor: Actor;
  /** The header as it came, to be asked again while a stream is open. */
  authorization: string;
  organizationId: string;
  workspaceId: string;
}

/**
 * In the trace that the message names, where the request names none: agents behind a library can not always set headers (SEP-414,
 * https://modelcontextprotocol.io/specification, "_meta").
 */
export function inTrace(visitor: Visitor, request: FastifyRequest, { _meta: meta }: JsonObject): Visitor {
  if (request.headers.traceparent !== undefined || !isObject(meta) || meta.traceparent === undefined) return visitor;
  const trace = traceOfRequest(meta.traceparent, request.id);
  request.trace = trace;
  const { actor } = visitor;
  return { ...visitor, actor: { ...actor, origin: { ...actor.origin, trace } } };
}

export function callerOf({ actor, workspaceId }: Visitor): Caller {
  return { actor, workspace: workspaceId, door: 'agent' };
}
