import fc from 'fast-check';
import { headerParameters, headerValue, modernHeaders } from './modern-headers.js';

function decoded(value: string): string {
  const encoded = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString('utf8');
}

it('writes any text as a field value from which it can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const value = headerValue(text);
      expect(value).toMatch(/^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/);
      expect(decoded(value)).toBe(Buffer.from(text).toString('utf8'));
    }),
  );
  expect(headerValue('plain name')).toBe('plain name');
  expect(decoded(headerValue('=?base64?eA==?='))).toBe('=?base64?eA==?=');
});

it('names method, version, and the tool, prompt or resource', () => {
  expect(modernHeaders('2026-07-28', 'tools/call', { name: 'grüße' })).toEqual({
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': '=?base64?Z3LDvMOfZQ==?=',
  });
  expect(modernHeaders('2026-07-28', 'resources/read', { uri: 'a://b' })).toMatchObject({ 'mcp-name': 'a://b' });
  expect(modernHeaders('2026-07-28', 'tools/list', { name: 'x' })).not.toHaveProperty('mcp-name');
});

it('repeats declared arguments that are there and of a simple type', () => {
  const schema = {
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { properties: { count: { type: 'integer', 'x-mcp-header': 'Count' } } },
      flag: { type: 'boolean', 'x-mcp-header': 'Flag' },
    },
  };
  const parameters = headerParameters(schema) ?? [];
  const params = { name: 't', arguments: { region: 'eu', deep: { count: 3 }, flag: {} } };
  expect(modernHeaders('2026-07-28', 'tools/call', params, parameters)).toMatchObject({
    'mcp-param-region': 'eu',
    'mcp-param-count': '3',
  });
  expect(modernHeaders('2026-07-28', 'tools/call', params, parameters)).not.toHaveProperty('mcp-param-flag');
});

it.each([
  ['in an array', { items: { type: 'string', 'x-mcp-header': 'A' } }],
  ['in an alternative', { anyOf: [{ properties: { a: { type: 'string', 'x-mcp-header': 'A' } } }] }],
  ['of an object', { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }],
  ['of a number', { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }],
  ['that is no token', { properties: { a: { type: 'string', 'x-mcp-header': 'A B\r\nEvil: 1' } } }],
  ['at the root', { type: 'string', 'x-mcp-header': 'A' }],
  [
    'given twice',
    { properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } } },
  ],
])('refuses a declaration %s', (_, schema) => {
  expect(headerParameters(schema)).toBeNull();
});

it('survives any schema', () => {
  fc.assert(fc.property(fc.anything(), (schema) => void headerParameters(schema)));
  let deep: object = {};
  for (let i = 0; i < 5000; i++) deep = { properties: { a: deep } };
  expect(headerParameters(deep)).toEqual([]);
  expect(headerParameters({ default: { 'x-mcp-header': 5 }, enum: [{ 'x-mcp-header': 5 }] })).toEqual([]);
});
