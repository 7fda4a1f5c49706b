import { UpstreamError } from '../../mcp/upstream.js';
import { parsedUrl } from '../../platform/egress/parse-url.js';

export const DEFAULT_API_URL = 'https://api.github.com';

/**
 * The address of the REST API from what people type: github.com itself, a host of GitHub Enterprise Cloud with data residency
 * (`acme.ghe.com`), a GitHub Enterprise Server with or without `/api/v3`. Any other path is taken as it is.
 * @throws UpstreamError `misconfigured`
 */
export function apiUrlOf(baseUrl: string): string {
  const url = parsedUrl(baseUrl);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UpstreamError('misconfigured', 'base_url is no address such as https://api.github.com');
  const path = url.pathname.replace(/\/+$/, '');
  if (/^(www\.|api\.)?github\.com$/.test(url.hostname)) return DEFAULT_API_URL;
  if (path !== '') return url.origin + path;
  if (!url.hostname.endsWith('.ghe.com')) return `${url.origin}/api/v3`;
  return url.hostname.startsWith('api.') ? url.origin : `https://api.${url.hostname}`;
}
