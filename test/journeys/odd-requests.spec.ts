import { connect } from 'node:net';
import { startApp, type TestApp } from '../support/app.js';
import { expectError } from '../support/contract.js';

describe('requests that are hardly any', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app.close());

  /** Sends bytes and tells what came back until the other side hung up. */
  function raw(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(app.url);
      let answer = '';
      const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'));
      socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
      socket.on('error', reject);
      socket.on('close', () => resolve(answer));
    });
  }

  it('a path that can name nothing is unknown, and 401 for nobody, like any other', async () => {
    const paths = [
      '/mcp/tools/%ff',
      '/api/v1/mcp/registry/%',
      '/api/v1/mcp/registry/%zz/',
      '/mcp/servers/%ED%A0%80/resources',
    ];
    for (const path of [...paths, `/mcp/tools/${'a'.repeat(9_000)}`]) {
      expectError(await app.admin.get(path), 404, 'resource_not_found');
      const nobody = await app.anonymous.get(path);
      expectError(nobody, 401, 'unauthorized');
      expect(nobody.headers.get('x-ratelimit-limit')).not.toBeNull();
    }
  });

  it.each([
    [
      'two ways to say how long it is',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      'malformed_request',
    ],
    ['a negative length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 'malformed_request'],
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 'malformed_request'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 'headers_too_large'],
  ])('%s is answered with the one error body', async (_name, bytes, code) => {
    const [head = '', body = ''] = (await raw(bytes)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 4(00|31) /);
    expect(JSON.parse(body)).toEqual({
      error: code,
      message: expect.any(String),
      details: {},
      request_id: expect.any(String),
    });
  });

  it('an unknown expectation and a missing Host keep nobody from an answer', async () => {
    expect(await raw('GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    expect(await raw('GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(['__proto__=1', 'constructor=1', 'toString=x'])('the query %s is unknown', async (query) => {
    expectError(await app.admin.get(`/mcp/tools?${query}`), 400, 'validation_failed');
  });
});
