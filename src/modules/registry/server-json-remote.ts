import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';
import { AuthFields, filledIn, MOST_INPUTS, templateOf } from './server-json-inputs.js';
import type { Place } from './server-json-place.js';
import type { JsonSchema, Transport } from './transport.js';

/** How a server of a document is reached, and from which places of the document that was made. */
export interface Reached {
  auth: JsonSchema;
  transport: Transport;
  /** Field of the transport to its place; all others belong to the entry as a whole. */
  places: ReadonlyMap<string, Place>;
}

/** RFC 9110, section 5.1. No braces: a document does not choose names of headers by what somebody enters. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;

/** An entry of `remotes`. Problems are left in the place. */
export function readRemote(remote: Place): Reached {
  const fields = new AuthFields();
  const kind = remote.member('type').isThere ? remote.member('type') : remote.member('transportType');
  const type = kind.neededText(64, /^(streamable-http|sse)$/, 'must be streamable-http or sse');
  const url = remote.member('url');
  const address = addressOf(url, remote.member('variables').map(MOST_INPUTS), fields);
  const headers = headersOf(remote);
  const templates = headers.map(([name, header]) => [name, templateOf(name, header, fields)] as const);
  const places = headers.map(([name, header]) => [`transport.headers.${name}`, header] as const);
  return {
    auth: fields.schema,
    transport: {
      type: type === 'sse' ? 'sse' : 'streamable_http',
      url: address,
      headers: Object.fromEntries(templates),
    },
    places: new Map([['transport.url', url], ...places]),
  };
}

function headersOf(remote: Place): [name: string, header: Place][] {
  const seen = new Set<string>();
  return remote
    .member('headers')
    .list(MOST_INPUTS)
    .map((header) => {
      const place = header.member('name');
      const name = place.neededText(64, HEADER_NAME, 'must be the name of a header');
      if (FORBIDDEN_KEYS.has(name)) place.report('this name is not allowed');
      if (seen.has(name.toLowerCase())) place.report('is there twice');
      seen.add(name.toLowerCase());
      return [name, header];
    });
}

/** Without its variables there is no address, so all are required. */
function addressOf(url: Place, variables: ReadonlyMap<string, Place>, fields: AuthFields): string {
  if (!url.isThere) url.report('must be an address');
  const { text, unknown } = filledIn(url, variables, fields, { isRequired: true, isSecret: false });
  for (const name of unknown) url.report(`{${name}} is not among the variables`);
  return text;
}
