import { randomUUID } from 'node:crypto';
import type { Answer, ApiClient } from './api-client.js';

/** An operation of the API, with a body that it would take. */
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  body?: object;
}

/** The one error body, and nothing beside it. */
export function expectError(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body.error]).toEqual([status, code]);
  expect(Object.keys(answer.body).sort()).toEqual(['details', 'error', 'message', 'request_id']);
  expect(answer.body.request_id).toBe(answer.headers.get('x-request-id'));
}

/** Without a token, and with a wrong one, every operation answers the same 401. */
export function itIsProtected(anonymous: () => ApiClient, operations: () => Operation[]): void {
  it('is protected: 401 without a valid token, one body for every reason', async () => {
    for (const { method, path, body } of operations()) {
      for (const client of [anonymous(), anonymous().withToken('wrong')]) {
        const answer = await client.send(method, path, body);
        expectError(answer, 401, 'unauthorized');
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
    }
  });
}

/**
 * A stranger's id, an id that nobody has and a text that is none answer alike.
 * @param operation builds the operation for an id; `foreign` is an id that exists for somebody else
 */
export function itHidesForeignRows(
  stranger: () => ApiClient,
  foreign: () => string,
  operation: (id: string) => Operation[],
): void {
  it('hides foreign rows: 404 with the body of an id that nobody has', async () => {
    const unknown = /^\d+$/.test(foreign()) ? '2000000000' : randomUUID();
    for (const [index, { method, path, body }] of operation(foreign()).entries()) {
      const answer = await stranger().send(method, path, body);
      expectError(answer, 404, 'resource_not_found');
      for (const id of [unknown, 'no-id-at-all']) {
        const other = operation(id)[index];
        const otherAnswer = await stranger().send(method, other?.path ?? '', body);
        expectError(otherAnswer, 404, 'resource_not_found');
        expect(otherAnswer.body.message).toBe(answer.body.message);
        expect(Object.keys(otherAnswer.body.details)).toEqual(Object.keys(answer.body.details));
      }
    }
  });
}

/** Bodies that no operation takes: not JSON, not an object, unknown and dangerous properties, other media types. */
export function itRefusesBadBodies(client: () => ApiClient, operation: () => Operation): void {
  it('refuses bad bodies, naming what is wrong', async () => {
    const { method, path, body } = operation();
    const send = (text: string, headers: Record<string, string> = {}): Promise<Answer> =>
      client().send(method, path, text, { 'content-type': 'application/json', ...headers });
    expectError(await send('{"a":'), 400, 'malformed_json');
    expectError(await send('['.repeat(70) + ']'.repeat(70)), 400, 'malformed_json');
    expectError(await send('[]'), 400, 'validation_failed');
    expectError(await send('"text"'), 400, 'validation_failed');
    const unknown = await send(JSON.stringify({ ...body, surprise: 1 }));
    expectError(unknown, 400, 'validation_failed');
    expect(unknown.body.details.fields).toHaveProperty('surprise');
    const dangerous = await send('{"__proto__": {"is_operator": true}}');
    expectError(dangerous, 400, 'validation_failed');
    expect(Object.keys(dangerous.body.details.fields)).toEqual(['__proto__']);
    expectError(await send('x'.repeat(1_048_577)), 413, 'payload_too_large');
    expectError(
      await send('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      'unsupported_media_type',
    );
    expectError(await send('{}', { 'content-encoding': 'gzip' }), 415, 'unsupported_media_type');
  });
}
