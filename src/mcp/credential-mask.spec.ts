import { CredentialMask } from './credential-mask.js';
import { UpstreamError, type UpstreamTransport } from './upstream.js';

function over(headers: Record<string, string>, url = 'http://x', secrets: string[] = []): CredentialMask {
  return new CredentialMask({ type: 'streamable_http', url, headers, secrets });
}

/** What is left of a result. */
function read(mask: CredentialMask, result: unknown): unknown {
  return mask.read(JSON.stringify({ jsonrpc: '2.0', id: 1, result })).result;
}

it('takes credentials out of texts and keys, whole or as they are quoted', () => {
  const mask = over({
    authorization: 'Bearer sk-12345678',
    cookie: 'sid=abcdef0; theme=x',
    'x-basic': 'Basic dTpodW50ZXIyIQ==',
  });
  expect(read(mask, ['got Bearer sk-12345678.', { 'sk-12345678': 'abcdef0' }, 'hunter2!', 'dTpodW50ZXIyIQ=='])).toEqual(
    ['got ***.', { '***': '***' }, '***', '***'],
  );
});

it('finds credentials in environments, addresses and what the target names', () => {
  const env = { DATABASE: 'postgres://me:p%40ssword@db/x', PIN: '12345678' };
  const stdio = new CredentialMask({ type: 'stdio', command: 'x', args: [], env });
  expect(read(stdio, ['p@ssword p%40ssword', 12345678, 5])).toEqual(['*** ***', '***', 5]);
  const mask = over({}, 'https://me:password1@x/in-path-1?api_key=in-query-1&project=visible', ['in-path-1']);
  expect(read(mask, 'password1 in-query-1 in-path-1 visible')).toBe('*** *** *** visible');
});

it('is not deceived by the ways to write JSON', () => {
  const mask = over({ a: 'se"cr/et\nline two' });
  const escaped = '{"id":1,"result":["\\u0073e\\"cr\\/et",{"text":"{\\"a\\":\\"se\\\\\\"cr/et\\\\nline two\\"}"}]}';
  expect(mask.read(escaped).result).toEqual(['***', { text: '{"a":"***"}' }]);
});

it('leaves alone what is short, the members of the protocol, and messages without credentials', () => {
  const mask = over({ flag: 'true', number: '2.0.00', id: 'method' });
  const message = { jsonrpc: '2.0', id: 1, method: 'method', params: { method: true, flag: 'true' } };
  expect(mask.read(JSON.stringify(message))).toEqual({ ...message, params: { '***': true, flag: 'true' } });
  const prototype = '{"id":1,"result":{"__proto__":{"a":"\\u0041"}}}';
  expect(JSON.stringify(mask.read(prototype))).toBe('{"id":1,"result":{"__proto__":{"a":"A"}}}');
});

it('takes credentials out of the errors that servers send, and leaves other errors alone', () => {
  const mask = over({ authorization: 'Basic dXNlcjpwYXNz' });
  const rpc = { code: -1, message: 'bad dXNlcjpwYXNz', data: ['Basic dXNlcjpwYXNz', { code: -1 }] };
  expect(mask.error(new UpstreamError('rpc_error', rpc.message, { rpc }))).toMatchObject({
    message: 'bad ***',
    rpc: { code: -1, message: 'bad ***', data: ['***', { code: -1 }] },
  });
  const plain = new UpstreamError('timeout', 'late');
  expect(mask.error(plain)).toBe(plain);
});

it('costs little where there is nothing to mask', () => {
  const transport: UpstreamTransport = {
    type: 'stdio',
    command: 'x',
    args: [],
    env: { A: 'only-this-one', B: 'another-one' },
  };
  const mask = new CredentialMask(transport);
  const text = JSON.stringify({ id: 1, result: { text: 'some text '.repeat(100_000) } });
  const timeOf = (read: (text: string) => unknown): number => {
    const started = performance.now();
    for (let at = 0; at < 20; at++) read(text);
    return performance.now() - started;
  };
  timeOf(mask.read);
  expect(timeOf(mask.read)).toBeLessThan(500);
});
