import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { Rejected, RPC } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { asksForInput } from '../../mcp/peer.js';
import { principalOf } from '../../platform/auth/actor.js';
import { KeyRing, UnsealError } from '../../platform/crypto/key-ring.js';
import { canonicalJson } from '../../platform/json/canonical-json.js';
import type { Visitor } from './visitor.js';

/** How long a client may think about what it was asked. */
const VALID_MS = 3_600_000;
const LONGEST_STATE = 262_144;

/**
 * The `requestState` of servers on its way through clients (MCP 2026-07-28, Multi Round-Trip Requests, Server Requirements): sealed,
 * so that nobody changes it, takes it to another request, or gives it to somebody else.
 */
@Injectable()
export class RequestStateService {
  constructor(private readonly keyRing: KeyRing) {}

  /** A result as it goes to the client. */
  sealed(visitor: Visitor, method: string, params: JsonObject, result: JsonObject): JsonObject {
    const { requestState } = result;
    if (!asksForInput(result) || typeof requestState !== 'string') return result;
    const text = JSON.stringify({ state: requestState, until: Date.now() + VALID_MS });
    return { ...result, requestState: this.keyRing.seal(text, { request: bound(visitor, method, params) }) };
  }

  /**
   * What the client brings back, as the server gave it.
   * @throws Rejected
   */
  input(visitor: Visitor, method: string, params: JsonObject): { inputResponses?: JsonObject; requestState?: string } {
    const { inputResponses, requestState } = params;
    if (inputResponses !== undefined && !isObject(inputResponses))
      throw new Rejected(400, RPC.invalidParams, 'params.inputResponses must be an object');
    const responses = inputResponses === undefined ? {} : { inputResponses };
    if (requestState === undefined) return responses;
    return { ...responses, requestState: this.opened(requestState, bound(visitor, method, params)) };
  }

  private opened(sealed: unknown, place: string): string {
    try {
      if (typeof sealed !== 'string' || sealed.length > LONGEST_STATE) throw new UnsealError('no string of that size');
      const { state, until } = JSON.parse(this.keyRing.open(sealed, { request: place })) as {
        state: string;
        until: number;
      };
      if (until > Date.now()) return state;
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
    }
    throw new Rejected(
      400,
      RPC.invalidParams,
      'params.requestState is not what this request was given, or too old: send the request without it',
    );
  }
}

/** What a state belongs to: the same request of the same client. */
function bound(visitor: Visitor, method: string, { name, uri, arguments: args }: JsonObject): string {
  const digest = createHash('sha256')
    .update(canonicalJson([name ?? uri ?? null, args ?? null]))
    .digest('base64url');
  return `request state ${visitor.workspaceId} ${principalOf(visitor.actor)} ${method} ${digest}`;
}
