import type { FastifyRequest } from 'fastify';
import { canonicalJson } from '../../json/canonical-json.js';
import { invalid } from '../domain-error.js';

/** Printable ASCII without the space: what every client, proxy and log can carry unchanged. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * The key that a request names in `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header); null where it names none.
 * @throws DomainError 400 naming the header
 */
export function namedKeyOf(request: FastifyRequest): string | null {
  const named = request.headers['idempotency-key'];
  if (named === undefined) return null;
  if (typeof named !== 'string' || !KEY.test(named))
    throw invalid({ 'Idempotency-Key': ['must be 1 to 255 visible ASCII characters'] });
  return named;
}

/** One text for requests that ask for the same: spelled otherwise, with or without a slash at the end, they are still the same. */
export function contentOf(request: FastifyRequest): string {
  const [path = '', ...query] = request.url.split('?');
  const parameters = new URLSearchParams(query.join('?'));
  parameters.sort();
  return canonicalJson([
    request.method,
    path.replace(/\/+$/, ''),
    parameters.toString(),
    String(request.headers['x-workspace-id'] ?? '').toLowerCase(),
    // Nothing sent is not the same as null.
    request.body === undefined ? [] : [request.body],
  ]);
}
