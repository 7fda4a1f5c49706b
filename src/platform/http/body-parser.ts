import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DomainError } from './domain-error.js';

/** Bytes of a request body. */
export const LARGEST_BODY = 1_048_576;
const DEEPEST_BODY = 64;

/** Replaces Fastify's parsers: JSON only, bounded in depth, and without keys that reach into prototypes. */
export function useBoundedJson(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: LARGEST_BODY },
    (request: FastifyRequest, text, done) => {
      try {
        done(null, parseBody(request, text as string));
      } catch (error) {
        done(error as Error);
      }
    },
  );
}

function parseBody(request: FastifyRequest, text: string): unknown {
  if (request.headers['content-encoding'] !== undefined && request.headers['content-encoding'] !== 'identity') {
    throw new DomainError('unsupported_media_type', 'Send the body as application/json without content encoding');
  }
  if (text.trim() === '') return undefined;
  refuseDepth(text);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new DomainError('malformed_json', `The body is not valid JSON: ${withoutExcerpt((error as Error).message)}`);
  }
  // Escapes can spell the key in many ways, so a hint of one is enough to look at every key.
  if (text.includes('__proto__') || text.includes('\\u')) refusePrototypeKeys(body, '');
  // No operation has fields of these names, and libraries drop them without a word.
  for (const key of ['constructor', 'prototype']) {
    if (typeof body === 'object' && body !== null && Object.hasOwn(body, key)) throw refusedName(key);
  }
  return body;
}

/** V8 quotes a piece of the body in its message; the body may hold a password. */
function withoutExcerpt(message: string): string {
  const position = /position \d+/.exec(message);
  return position ? `unexpected text at ${position[0]}` : 'unexpected end';
}

/** One pass over the text, before the recursive parser sees it. */
function refuseDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (quoted) {
      if (code === 92 /* \ */) index++;
      else if (code === 34 /* " */) quoted = false;
    } else if (code === 34) quoted = true;
    else if (code === 123 /* { */ || code === 91 /* [ */) {
      if (++depth > DEEPEST_BODY)
        throw new DomainError('malformed_json', `The body is nested deeper than ${DEEPEST_BODY} levels`);
    } else if (code === 125 || code === 93) depth--;
  }
}

function refusePrototypeKeys(value: unknown, path: string): void {
  if (value === null || typeof value !== 'object') return;
  for (const key of Object.keys(value)) {
    const place = path === '' ? key : `${path}.${key}`;
    if (key === '__proto__') throw refusedName(place);
    refusePrototypeKeys((value as Record<string, unknown>)[key], place);
  }
}

function refusedName(place: string): DomainError {
  // Not an object literal: there `__proto__` would set the prototype.
  return new DomainError('validation_failed', 'The request has invalid fields', {
    fields: Object.fromEntries([[place, ['this name is not allowed']]]),
  });
}
