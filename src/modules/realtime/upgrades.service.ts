import { BeforeApplicationShutdown, Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import proxyAddress from '@fastify/proxy-addr';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { Environment } from '../../platform/config/environment.js';
import { isDatabaseUnavailable } from '../../platform/database/database-errors.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { AdmissionService, type Admitted } from './admission.service.js';
import { PROTOCOL, refuse } from './handshake.js';
import { Subscriber } from './subscriber.js';
import { SubscriptionsService } from './subscriptions.service.js';

/** A client has nothing to say. */
const LONGEST_FRAME = 4_096;

/** From a request to upgrade to a socket: who it is and what it may see is asked before, so that refusals are HTTP. */
@Injectable()
export class UpgradesService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('realtime');
  private readonly sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LONGEST_FRAME,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  private readonly isTrusted: ReturnType<typeof proxyAddress.compile>;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly admission: AdmissionService,
    private readonly subscriptions: SubscriptionsService,
    environment: Environment,
  ) {
    this.isTrusted = proxyAddress.compile(environment.TRUSTED_PROXIES);
  }

  onApplicationBootstrap(): void {
    this.server.on('upgrade', this.upgrade);
  }

  beforeApplicationShutdown(): void {
    this.server.off('upgrade', this.upgrade);
    this.sockets.close();
  }

  private get server(): Server {
    return this.host.httpAdapter.getHttpServer() as Server;
  }

  private readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    const requestId = randomUUID();
    this.admission.admit(request, proxyAddress(request, this.isTrusted)).then(
      (admitted) => this.accept(request, socket, head, admitted),
      (error: unknown) => {
        refuse(socket, this.told(error, requestId), requestId);
      },
    );
  };

  private told(error: unknown, requestId: string): DomainError {
    if (error instanceof DomainError) return error;
    if (isDatabaseUnavailable(error))
      return new DomainError('unavailable', 'The database is not reachable, try again shortly', {}, 2);
    this.logger.error({ err: error, request_id: requestId }, 'an upgrade failed');
    return new DomainError('internal_error', 'Something unexpected happened');
  }

  private accept(request: IncomingMessage, socket: Duplex, head: Buffer, admitted: Admitted): void {
    this.sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const { connectionId, token, principal, expiresAt } = admitted;
      this.subscriptions
        .add(new Subscriber(webSocket, connectionId, token, principal, expiresAt))
        .catch((error: unknown) => this.logger.warn({ err: error }, 'a subscriber could not be greeted'));
    });
  }
}
