import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { buildConnector } from 'undici';
import { addressRefused, EgressError } from './egress-error.js';
import { type EgressPolicy, isLocalName } from './egress-policy.js';

/** All addresses of a host name, IPv4 and IPv6; rejects when there are none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** The system's own resolver, so that /etc/hosts, search domains and container networks work as people expect. */
export const resolveWithSystem: ResolveHost = async (host) =>
  (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

export interface ConnectorOptions {
  policy: EgressPolicy;
  resolve: ResolveHost;
  /** Milliseconds for resolution, TCP and TLS together. */
  connectTimeoutMs: number;
  /** Extra trusted certificate authorities in PEM; undefined = those of Node. */
  ca?: string | undefined;
}

type Target = buildConnector.Options;

/**
 * Opens the sockets of the egress agent. Each new connection resolves the name once, checks every address it got, and
 * connects to one of exactly these: a name that answers differently a second time (DNS rebinding) is never asked again.
 */
export class GuardedConnector {
  private readonly attempts = new Set<(error: Error) => void>();
  private readonly resolving = new Map<string, Promise<readonly string[]>>();

  constructor(private readonly options: ConnectorOptions) {}

  readonly connect: buildConnector.connector = (target, callback) => {
    let socket: Socket | undefined;
    const finish = (error: Error | null): void => {
      if (!this.attempts.delete(fail)) return;
      clearTimeout(timer);
      if (error === null && socket !== undefined) return callback(null, socket);
      socket?.destroy();
      callback(error ?? addressRefused(), null);
    };
    const fail = (error: Error): void => finish(error);
    const timer = setTimeout(() => fail(connectTimeout(target)), this.options.connectTimeoutMs);
    this.attempts.add(fail);
    void this.addressesOf(target.hostname).then((addresses) => {
      if (!this.attempts.has(fail)) return;
      socket = this.open(target, addresses);
      const opened = socket;
      opened.on('error', fail);
      opened.once(target.protocol === 'https:' ? 'secureConnect' : 'connect', () =>
        finish(this.isStillAllowed(opened, target.hostname) ? null : addressRefused()),
      );
    }, fail);
  };

  /** Resolves a host and checks all its addresses; rejects with EgressError `address_refused`. */
  async addressesOf(host: string): Promise<readonly string[]> {
    const { policy } = this.options;
    if (isIP(host) === 0 && isLocalName(host)) return nonEmpty(policy.localAddresses(host));
    const addresses = isIP(host) === 0 ? await this.resolveOnce(host) : [host];
    if (!addresses.every((address) => policy.isAllowedAddress(address, host))) throw addressRefused();
    return nonEmpty(addresses);
  }

  /** Gives up all connections that are still being made. */
  close(): void {
    for (const fail of [...this.attempts]) fail(new EgressError('aborted', 'The egress client is closed.'));
  }

  // getaddrinfo occupies a thread of a small pool until it answers: connections to one host share a lookup under way.
  private resolveOnce(host: string): Promise<readonly string[]> {
    const known = this.resolving.get(host);
    if (known) return known;
    const pending = this.options
      .resolve(host)
      .catch(() => {
        throw addressRefused();
      })
      .finally(() => this.resolving.delete(host));
    this.resolving.set(host, pending);
    return pending;
  }

  private open(target: Target, addresses: readonly string[]): Socket {
    const checked: LookupFunction = (_host, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      );
    const tcp = {
      host: target.hostname,
      port: Number(target.port) || (target.protocol === 'https:' ? 443 : 80),
      lookup: checked,
      autoSelectFamily: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    };
    if (target.protocol !== 'https:') return connectTcp(tcp);
    // RFC 6066, 3: no literal addresses in SNI; the certificate is then checked against the address itself.
    const name = isIP(target.hostname) === 0 ? { servername: target.hostname } : {};
    return connectTls({ ...tcp, ...name, ca: this.options.ca, ALPNProtocols: ['http/1.1'] });
  }

  private isStillAllowed(socket: Socket, host: string): boolean {
    return socket.remoteAddress !== undefined && this.options.policy.isAllowedAddress(socket.remoteAddress, host);
  }
}

function nonEmpty(addresses: readonly string[]): readonly string[] {
  if (addresses.length === 0) throw addressRefused();
  return addresses;
}

function connectTimeout(target: Target): EgressError {
  return new EgressError('timeout', `No connection to ${target.protocol}//${target.host ?? target.hostname} in time.`);
}
