import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { EgressError } from './egress-error.js';
import { EgressPolicy } from './egress-policy.js';

const strict = new EgressPolicy([]);
const development = new EgressPolicy(['127.0.0.0/8', '::1']);

function reasonOf(policy: EgressPolicy, url: string): string {
  try {
    policy.checkUrl(url);
    return 'allowed';
  } catch (error) {
    return error instanceof EgressError ? error.reason : `unexpected ${String(error)}`;
  }
}

describe('checkUrl', () => {
  it.each([
    ['loopback', 'http://127.0.0.1/'],
    ['all of 127/8', 'http://127.8.9.10:8080/'],
    ['loopback in short form', 'http://127.1/'],
    ['loopback as one number', 'http://2130706433/'],
    ['loopback in octal', 'http://0177.0.0.01/'],
    ['loopback in hexadecimal', 'http://0x7f000001/'],
    ['loopback in mixed notation', 'http://0x7f.0.1/'],
    ['loopback with a trailing dot', 'http://127.0.0.1./'],
    ['loopback in full-width digits', 'http://１２７.０.０.１/'],
    ['loopback with ideographic dots', 'http://127。0。0。1/'],
    ['loopback in circled digits', 'http://①②⑦.⓪.⓪.①/'],
    ['percent-encoded loopback', 'http://%31%32%37.0.0.1/'],
    ['this network', 'http://0.0.0.0/'],
    ['zero', 'http://0/'],
    ['IPv6 loopback', 'http://[::1]/'],
    ['IPv6 loopback in full', 'http://[0:0:0:0:0:0:0:1]/'],
    ['IPv6 unspecified', 'http://[::]/'],
    ['IPv4-mapped loopback', 'http://[::ffff:127.0.0.1]/'],
    ['IPv4-mapped loopback in hexadecimal', 'http://[::ffff:7f00:1]/'],
    ['IPv4-mapped metadata', 'http://[::ffff:169.254.169.254]/'],
    ['IPv4-compatible loopback', 'http://[::127.0.0.1]/'],
    ['IPv4-compatible public address', 'http://[::8.8.8.8]/'],
    ['IPv4-translated', 'http://[::ffff:0:127.0.0.1]/'],
    ['NAT64', 'http://[64:ff9b::7f00:1]/'],
    ['local NAT64', 'http://[64:ff9b:1::7f00:1]/'],
    ['6to4', 'http://[2002:7f00:1::]/'],
    ['Teredo', 'http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/'],
    ['unique local', 'http://[fd00::1]/'],
    ['AWS metadata over IPv6', 'http://[fd00:ec2::254]/'],
    ['IPv6 link local', 'http://[fe80::1]/'],
    ['IPv6 site local', 'http://[fec0::1]/'],
    ['IPv6 multicast', 'http://[ff02::1]/'],
    ['IPv6 documentation', 'http://[2001:db8::1]/'],
    ['IPv6 outside global unicast', 'http://[4000::1]/'],
    ['metadata', 'http://169.254.169.254/latest/meta-data/'],
    ['metadata as one number', 'http://2852039166/'],
    ['RFC 1918 10/8', 'https://10.0.0.1/'],
    ['RFC 1918 172.16/12', 'https://172.31.255.255/'],
    ['RFC 1918 192.168/16', 'https://192.168.1.1/'],
    ['carrier-grade NAT', 'http://100.64.0.1/'],
    ['Alibaba metadata', 'http://100.100.100.200/'],
    ['benchmarking', 'http://198.18.0.1/'],
    ['IETF protocol assignments', 'http://192.0.0.192/'],
    ['documentation', 'http://203.0.113.7/'],
    ['multicast', 'http://224.0.0.1/'],
    ['reserved', 'http://240.0.0.1/'],
    ['broadcast', 'http://255.255.255.255/'],
    ['localhost', 'http://localhost:3000/'],
    ['localhost in capitals', 'http://LOCALHOST/'],
    ['localhost with a trailing dot', 'http://localhost./'],
    ['a name under localhost', 'http://foo.localhost/'],
    ['a name under localhost with a trailing dot', 'http://foo.localhost./'],
    ['full-width localhost', 'http://ｌｏｃａｌｈｏｓｔ/'],
    ['localhost.localdomain', 'http://localhost.localdomain/'],
    ['ip6-localhost', 'http://ip6-localhost/'],
  ])('refuses %s: %s', (_what, url) => {
    expect(reasonOf(strict, url)).toBe('address_refused');
  });

  it.each([
    ['user and password', 'http://user:secret@example.com/'],
    ['a user only', 'http://user@example.com/'],
    ['an address as user', 'http://example.com@127.0.0.1/'],
    ['another scheme', 'ftp://example.com/'],
    ['a file', 'file:///etc/passwd'],
    ['a script', 'javascript:alert(1)'],
    ['a relative reference', '/mcp'],
    ['no scheme', 'example.com/mcp'],
    ['nothing', ''],
    ['a host with an empty label', 'http://example.com../'],
    ['a line break in the host', 'http://exa\nmple.com/'],
    ['a blank', 'http://example.com/a b'],
    ['a zone id', 'http://[fe80::1%25eth0]/'],
    ['a number that is too big', 'http://4294967296/'],
    ['a port that is too big', 'http://example.com:65536/'],
    ['endless length', `http://example.com/${'a'.repeat(9000)}`],
  ])('does not take %s for a URL', (_what, url) => {
    expect(reasonOf(strict, url)).toBe('invalid_url');
  });

  it('keeps user info out of its message', () => {
    expect(() => strict.checkUrl('http://user:hunter2@example.com/')).toThrow(/^(?!.*hunter2)/);
  });

  it('leaves public addresses and names to the check at connection time', () => {
    expect(reasonOf(strict, 'https://8.8.8.8/')).toBe('allowed');
    expect(reasonOf(strict, 'https://[2606:4700::1111]/')).toBe('allowed');
    expect(reasonOf(strict, 'https://mcp.example.com/mcp?x=1')).toBe('allowed');
    // So often that V8 optimizes the call: URL.canParse would be wrong from then on.
    for (let times = 0; times < 20_000; times++) strict.checkUrl('https://bücher.example/');
  });

  it('answers the URL without the trailing dot of its host, which TLS and virtual hosts do not know', () => {
    expect(strict.checkUrl('https://example.com./mcp').href).toBe('https://example.com/mcp');
  });

  it('lets the operator allow ranges, addresses and hosts', () => {
    expect(reasonOf(development, 'http://localhost:3000/')).toBe('allowed');
    expect(reasonOf(development, 'http://127.1:3000/')).toBe('allowed');
    expect(reasonOf(development, 'http://[::ffff:127.0.0.1]/')).toBe('allowed');
    expect(reasonOf(development, 'http://[::1]/')).toBe('allowed');
    expect(reasonOf(development, 'http://10.0.0.1/')).toBe('address_refused');
    expect(reasonOf(new EgressPolicy(['localhost']), 'http://localhost/')).toBe('allowed');
    expect(reasonOf(new EgressPolicy(['localhost']), 'http://127.0.0.1/')).toBe('address_refused');
  });
});

describe('allow entries', () => {
  it('apply to every address of an allowed host and to no other host', () => {
    const policy = new EgressPolicy(['Internal.Example.com.', 'bücher.example']);
    expect(policy.isAllowedAddress('10.1.2.3', 'internal.example.com')).toBe(true);
    expect(policy.isAllowedAddress('10.1.2.3', 'xn--bcher-kva.example')).toBe(true);
    expect(policy.isAllowedAddress('10.1.2.3', 'sub.internal.example.com')).toBe(false);
    expect(policy.isAllowedAddress('10.1.2.3', 'example.com')).toBe(false);
  });

  it('may be single addresses, bracketed or IPv4-mapped', () => {
    const policy = new EgressPolicy(['10.0.0.7', '[fd00::7]', '::ffff:192.168.0.0/112']);
    expect(policy.isAllowedAddress('10.0.0.7', 'a.example')).toBe(true);
    expect(policy.isAllowedAddress('10.0.0.8', 'a.example')).toBe(false);
    expect(policy.isAllowedAddress('fd00::7', 'a.example')).toBe(true);
    expect(policy.isAllowedAddress('192.168.3.4', 'a.example')).toBe(true);
    expect(policy.isAllowedAddress('::ffff:192.168.3.4', 'a.example')).toBe(true);
  });

  it.each(['', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '10.0.0.0/-1', '127.1', '0x7f.1', '010.0.0.1'])(
    'are refused by name when they are no full address or range: %p',
    (entry) => {
      expect(() => new EgressPolicy([entry])).toThrow(`Egress allow entry ${JSON.stringify(entry)} is malformed`);
    },
  );

  it.each([
    'http://example.com',
    'example.com:80',
    '*.example.com',
    '*',
    'exa mple',
    '-a.example',
    'fe80::1%eth0',
    'a..b',
  ])('are refused by name when they are no host: %p', (entry) => {
    expect(() => new EgressPolicy([entry])).toThrow(`Egress allow entry ${JSON.stringify(entry)} is malformed`);
  });
});

describe('isAllowedAddress', () => {
  it('allows no address outside global unicast when nothing is configured', () => {
    const special = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc
        .tuple(fc.constantFrom('10', '127', '0', '224', '255', '169.254', '192.168', '100.64'), fc.nat(255))
        .map(([head, tail]) => [...head.split('.'), '1', '1', '1'].slice(0, 3).join('.') + `.${tail}`),
      fc.ipV4().map((address) => `::ffff:${address}`),
      fc.ipV4().map((address) => `64:ff9b::${address}`),
      fc.ipV4().map((address) => `::${address}`),
    );
    fc.assert(
      fc.property(special, (address) => {
        if (!strict.isAllowedAddress(address, 'host.example')) return;
        const parsed = ipaddr.process(address);
        expect(parsed.range()).toBe('unicast');
        if (parsed.kind() === 'ipv6') expect(parsed.toByteArray()[0]).toBeGreaterThanOrEqual(0x20);
        if (parsed.kind() === 'ipv6') expect(parsed.toByteArray()[0]).toBeLessThan(0x40);
      }),
      { numRuns: 5000 },
    );
  });

  it('does not read anything but complete literal addresses', () => {
    for (const text of ['', 'localhost', '8.8', '8.8.8.8 ', '010.8.8.8', '2606:4700::1111%eth0', '2606:4700::/32'])
      expect(strict.isAllowedAddress(text, 'host.example')).toBe(false);
  });
});
