import fc from 'fast-check';
import { DomainError } from '../../platform/http/domain-error.js';
import { renderTransport, type RenderedTransport } from './rendered-transport.js';
import type { Transport } from './transport.js';

const SECRET = { type: 'string', format: 'password' };
const authSchema = { properties: { token: SECRET, url: SECRET, base_url: { type: 'string' }, name: {} } };
type Http = Extract<Transport, { url: string }>;

function render(transport: Partial<Http>, auth: Record<string, unknown>, options: Record<string, unknown> = {}) {
  const full: Http = { type: 'streamable_http', url: 'https://mcp.example/mcp', headers: {}, ...transport };
  return renderTransport({ transport: full, authSchema, qualifiedName: 'acme/wiki' }, { auth, options });
}

/** Null where the value is refused; anything but a 400 that names fields is a bug. */
function renderOrRefuse(...args: Parameters<typeof render>): RenderedTransport | null {
  try {
    return render(...args);
  } catch (error) {
    if (!(error instanceof DomainError && error.code === 'validation_failed')) throw error;
    return null;
  }
}

const headersOf = (rendered: RenderedTransport | null): Record<string, string> =>
  rendered && 'headers' in rendered.transport ? rendered.transport.headers : {};

// Text as people send it who mean no good.
const texts = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.string({ unit: fc.constantFrom(...'@/\\:#?%.[]evil \r\n\t\0é日'), minLength: 1, maxLength: 12 }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
);

describe('a rendered transport', () => {
  it.each(['https://mcp.example/{options.v}', 'https://mcp.example/a/{options.v}/mcp?k={options.v}'])(
    'stays on its host, whatever stands in the path or query of %s',
    (url) => {
      fc.assert(
        fc.property(texts, (v) => {
          const rendered = renderOrRefuse({ url }, {}, { v });
          if (rendered) expect(new URL(rendered.address).origin).toBe('https://mcp.example');
        }),
        { numRuns: 1_000 },
      );
    },
  );

  it('stays below its domain, whatever stands in the host', () => {
    fc.assert(
      fc.property(texts, (v) => {
        const rendered = renderOrRefuse({ url: 'https://{options.v}.mcp.example/mcp' }, {}, { v });
        if (!rendered) return;
        const { protocol, hostname, pathname, username } = new URL(rendered.address);
        expect([protocol, pathname, username]).toEqual(['https:', '/mcp', '']);
        expect(hostname.endsWith('.mcp.example')).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never sets a header that a request could not carry, or one of ours', () => {
    fc.assert(
      fc.property(texts, texts, (name, token) => {
        const headers = headersOf(
          renderOrRefuse({ headers: { Authorization: 'Bearer {auth.token}', '{auth.name}': 'v' } }, { name, token }),
        );
        for (const [key, value] of Object.entries(headers)) expect(() => new Headers([[key, value]])).not.toThrow();
      }),
      { numRuns: 1_000 },
    );
    for (const name of ['Host', 'cookie', 'MCP-Session-Id', 'content-length', 'X-Forwarded-For', 'authorization'])
      expect(renderOrRefuse({ headers: { Authorization: 'x', '{auth.name}': 'v' } }, { name })).toBeNull();
  });

  it('leaves out a header whose value is not there', () => {
    const headers = { Authorization: 'Bearer {auth.token}', '{auth.name}': '{auth.url}', 'X-Fixed': '1' };
    expect(headersOf(render({ headers }, {}))).toEqual({ 'X-Fixed': '1' });
    expect(headersOf(render({ headers }, { token: 't', name: 'X-A' }))).toEqual({
      Authorization: 'Bearer t',
      'X-Fixed': '1',
    });
  });

  it('shows people an address without secrets, query and fragment', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9]{8,40}$/), (tail) => {
        const token = `S3CR3T${tail}`;
        const url = '{auth.base_url}/{auth.token}/mcp?key={auth.token}#{auth.token}';
        const rendered = render({ url }, { base_url: 'https://mcp.example/', token });
        expect(rendered.address).toContain(token);
        expect(rendered.displayUrl).toBe('https://mcp.example/***/mcp');
      }),
    );
    const hidden = render({ url: '{auth.url}' }, { url: 'https://S3CR3T.example/' });
    expect([hidden.address, hidden.displayUrl]).toEqual(['https://s3cr3t.example/', 'acme/wiki (address withheld)']);
    const byHost = render({ url: 'https://mcp.example:{auth.token}/' }, { token: '8443' });
    expect(byHost.displayUrl).not.toContain('8443');
    expect(render({ url: '{auth.base_url}' }, { base_url: 'https://mcp.example/?key=S3CR3T#x' }).displayUrl).toBe(
      'https://mcp.example',
    );
  });

  it('refuses an address that lacks its values, naming the field', () => {
    for (const [auth, url] of [
      [{}, '{auth.base_url}'],
      [{ base_url: '' }, '{auth.base_url}/mcp'],
      [{ base_url: 'mcp.example' }, '{auth.base_url}'],
      [{ base_url: { a: 1 } }, '{auth.base_url}'],
    ] as const) {
      expect(() => render({ url }, auth)).toThrow(
        expect.objectContaining({ details: { fields: { 'auth_data.base_url': [expect.any(String)] } } }),
      );
    }
  });

  it('gives a process its declared variables only, and names the field that no process takes', () => {
    const transport: Transport = {
      type: 'stdio',
      command: 'x',
      args: ['{not}'],
      env: { A: '{auth.token}', B: '{auth.url}' },
    };
    const type = { transport, authSchema, qualifiedName: 'acme/wiki' };
    expect(renderTransport(type, { auth: { token: 't', name: 'n' }, options: { v: 'v' } }).transport).toEqual({
      type: 'stdio',
      command: 'x',
      args: ['{not}'],
      env: { A: 't' },
    });
    expect(() => renderTransport(type, { auth: { token: 'a\0b' }, options: {} })).toThrow(
      expect.objectContaining({ details: { fields: { 'auth_data.token': ['must not contain NUL'] } } }),
    );
  });
});
