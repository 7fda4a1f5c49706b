import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { validate as isUuid } from 'uuid';
import { AccessTokenService } from '../../platform/auth/access-token.service.js';
import { principalOf, type Principal } from '../../platform/auth/actor.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { addressKey } from '../../platform/http/request-hooks.js';
import { RequestLimits, tooMany } from '../../platform/throttling/request-limits.js';
import { AuthenticationService } from '../identity/authentication.service.js';
import { readHandshake } from './handshake.js';
import { LiveMessagesService } from './live-messages.service.js';
import { TicketsService } from './tickets.service.js';
import { actorOf, SubscriptionsService } from './subscriptions.service.js';

/** Sockets of one principal, and of this process. */
const MOST = { ofOne: 100, inAll: 5_000 };
export interface Admitted {
  connectionId: string;
  token: string;
  principal: Principal;
  expiresAt: number;
}

/** Who may open a socket. */
@Injectable()
export class AdmissionService {
  constructor(
    private readonly authentication: AuthenticationService,
    private readonly tokens: AccessTokenService,
    private readonly tickets: TicketsService,
    private readonly limits: RequestLimits,
    private readonly subscriptions: SubscriptionsService,
    private readonly messages: LiveMessagesService,
  ) {}

  /**
   * @param address of the client
   * @throws DomainError 401, 404, 429, 503
   */
  async admit(request: IncomingMessage, address: string): Promise<Admitted> {
    const { connectionId, token: given, ticket } = readHandshake(request);
    const token = given ?? (ticket === null ? null : await this.tickets.redeem(ticket));
    const principal = token === null ? null : await this.authentication.authenticate(`Bearer ${token}`);
    await this.limit(address, principal);
    if (connectionId === null) throw new DomainError('route_not_found', 'No such path: see /docs/asyncapi.json');
    const verified = token === null ? null : await this.tokens.verify(token);
    if (!principal || !verified || token === null)
      throw new DomainError('unauthorized', 'A valid access token is required: log in at /api/v1/auth/login');
    const isThere = isUuid(connectionId) && (await this.messages.mayHear(actorOf(principal), connectionId));
    if (!isThere) throw notFound('connection', connectionId);
    this.refuseTooMany(principal);
    return { connectionId: connectionId.toLowerCase(), token, principal, expiresAt: verified.expiresAt.getTime() };
  }

  private async limit(address: string, principal: Principal | null): Promise<void> {
    const state = await this.limits.consume(principal ? principalOf(principal) : null, addressKey(address));
    if (!state.allowed) throw tooMany(state);
  }

  private refuseTooMany(principal: Principal): void {
    const name = principalOf(principal);
    if (this.subscriptions.ofPrincipal((each) => principalOf(each) === name) >= MOST.ofOne)
      throw new DomainError('rate_limit_exceeded', `More than ${MOST.ofOne} open sockets`, { limit: MOST.ofOne }, 10);
    if (this.subscriptions.count >= MOST.inAll)
      throw new DomainError('unavailable', 'Too many sockets are open here', {}, 10);
  }
}
