import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { addressRefused, EgressError } from './egress-error.js';
import { parsedUrl } from './parse-url.js';

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

const MAX_URL_LENGTH = 8192;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const LOCAL_NAME = /^(.*\.)?localhost$|^localhost\.localdomain$|^ip6-(localhost|loopback)$/;
const IPV4_COMPATIBLE = ipaddr.IPv6.parseCIDR('::/96');
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Which targets outbound requests may have. Without allow entries only globally routable unicast addresses; entries
 * are literal addresses, CIDR ranges or exact host names the operator trusts, such as `127.0.0.0/8`, `::1`,
 * `internal.example.com`. The constructor throws an Error naming the first entry it does not understand.
 */
export class EgressPolicy {
  private readonly networks: Network[] = [];
  private readonly hosts = new Set<string>();

  constructor(allow: readonly string[]) {
    for (const entry of allow) this.addEntry(entry.trim());
  }

  /**
   * Checks everything about a URL that needs no DNS and returns it parsed, its host without a trailing dot.
   * Throws EgressError `invalid_url` (not an absolute http or https URL, user info, control characters) or
   * `address_refused` (a literal address or a name for this machine that is not allowed).
   */
  checkUrl(input: string | URL): URL {
    const url = parseUrl(String(input));
    const host = hostOf(url);
    if (
      isIP(host) !== 0
        ? !this.isAllowedAddress(host, host)
        : isLocalName(host) && this.localAddresses(host).length === 0
    )
      throw addressRefused();
    return url;
  }

  /** `host` is the name (or literal address) from the URL, as `hostOf` gives it; `address` what it resolved to. */
  isAllowedAddress(address: string, host: string): boolean {
    // isIP is strict where ipaddr.js also reads octal, hexadecimal and shortened forms.
    if (isIP(address) === 0 || address.includes('%')) return false;
    const parsed = ipaddr.process(address);
    if (this.hosts.has(host) || this.networks.some((network) => contains(network, parsed))) return true;
    if (parsed.range() !== 'unicast') return false;
    // ipaddr.js calls every IPv6 address unicast that is in none of its ranges, IPv4-compatible ones included.
    return parsed.kind() === 'ipv4' || (!contains(IPV4_COMPATIBLE, parsed) && contains(GLOBAL_UNICAST, parsed));
  }

  /** The allowed ones of the addresses that a name for this machine stands for; such names never go to the DNS (RFC 6761, 6.3). */
  localAddresses(host: string): string[] {
    return ['127.0.0.1', '::1'].filter((address) => this.isAllowedAddress(address, host));
  }

  private addEntry(entry: string): void {
    const network = parseNetwork(entry);
    if (network) this.networks.push(network);
    else this.hosts.add(parseHostName(entry));
  }
}

export function isLocalName(host: string): boolean {
  return LOCAL_NAME.test(host);
}

/** The host of a URL: lower case, punycode, no brackets around an IPv6 address, no trailing dot. */
export function hostOf(url: URL): string {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

function parseUrl(text: string): URL {
  // The URL parser drops tabs and line breaks silently; whoever sends them is not writing a URL.
  const url = text.length > MAX_URL_LENGTH || /[\u0000-\u0020\u007f]/.test(text) ? null : parsedUrl(text);
  if (!url) throw invalidUrl('It is not an absolute URL.');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalidUrl('Only http and https are supported.');
  if (url.username !== '' || url.password !== '') throw invalidUrl('It must not contain user name or password.');
  if (url.hostname === '' || url.hostname.endsWith('..')) throw invalidUrl('It has no valid host.');
  if (url.hostname.endsWith('.')) url.hostname = hostOf(url);
  return url;
}

function invalidUrl(detail: string): EgressError {
  return new EgressError('invalid_url', `The URL cannot be used. ${detail}`);
}

function contains([range, bits]: Network, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return range.kind() === address.kind() && address.match(range, bits);
}

function parseNetwork(entry: string): Network | null {
  const [text = '', bits, ...rest] = entry.replace(/^\[(.*)\]$/, '$1').split('/');
  const version = text.includes('%') ? 0 : isIP(text);
  if (version === 0) return null;
  const address = ipaddr.parse(text);
  const width = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
  if (rest.length > 0 || !(prefix <= width)) throw malformed(entry, 'the prefix length is wrong');
  // Addresses are unmapped before they are compared, so the ranges have to be as well.
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && prefix >= 96)
    return [address.toIPv4Address(), prefix - 96];
  return [address, prefix];
}

function parseHostName(entry: string): string {
  const name = domainToASCII(entry.toLowerCase().replace(/\.$/, ''));
  if (!HOST_NAME.test(name)) throw malformed(entry, 'it is no host name, address or CIDR range');
  if (isIP(new URL(`http://${name}/`).hostname) !== 0) throw malformed(entry, 'write the address in its full form');
  return name;
}

function malformed(entry: string, why: string): Error {
  return new Error(
    `Egress allow entry ${JSON.stringify(entry)} is malformed: ${why}. ` +
      'Use entries such as 10.0.0.0/8, ::1 or internal.example.com, without scheme, port or wildcard.',
  );
}
