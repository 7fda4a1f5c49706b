import type { BuiltinContext } from '../../mcp/builtin-server.js';
import { connectedJira } from './jira-connection.js';

const INFO = { deploymentType: 'Cloud', version: '1001.0.0', baseUrl: 'https://acme.atlassian.net/' };

/** Everything it is asked, and the same answer to it. */
function answering(
  asked: { url: string; authorization: string | null }[],
  info: object = INFO,
): BuiltinContext['fetch'] {
  return ((url: string, init: RequestInit) => {
    asked.push({ url, authorization: new Headers(init.headers).get('authorization') });
    return Promise.resolve(new Response(JSON.stringify(info)));
  }) as unknown as BuiltinContext['fetch'];
}

describe('a connection to Jira', () => {
  const connect = async (auth: object, info?: object) => {
    const asked: { url: string; authorization: string | null }[] = [];
    const context = { fetch: answering(asked, info), signal: new AbortController().signal };
    const { client } = await connectedJira({ auth: { api_token: 'secret', ...auth }, options: {} }, context);
    return { asked, client };
  };

  it('is below the path of the base URL, with or without a slash at its end', async () => {
    for (const base of ['https://jira.example/jira', 'https://jira.example/jira///']) {
      const { asked, client } = await connect({ base_url: base }, { ...INFO, deploymentType: 'Data Center' });
      expect(asked.map(({ url }) => url)).toEqual([
        'https://jira.example/jira/rest/api/2/serverInfo',
        'https://jira.example/jira/rest/api/2/myself',
      ]);
      expect([client.version, client.pagesUrl]).toEqual([2, 'https://jira.example/jira']);
    }
  });

  it('is Basic with an e-mail address and Bearer without one, whichever Jira it is', async () => {
    const cloud = await connect({ base_url: 'https://acme.atlassian.net', email: 'mia@acme.example' });
    expect(cloud.asked[1]).toEqual({
      url: 'https://acme.atlassian.net/rest/api/3/myself',
      authorization: `Basic ${btoa('mia@acme.example:secret')}`,
    });
    const bearer = await connect({ base_url: 'https://acme.atlassian.net' });
    expect([bearer.client.version, bearer.asked[1]?.authorization]).toEqual([3, 'Bearer secret']);
  });

  it("leads people to the site, where the API is reached by Atlassian's gateway", async () => {
    const base = 'https://api.atlassian.com/ex/jira/0000';
    const { client } = await connect({ base_url: base });
    expect(client.pagesUrl).toBe('https://acme.atlassian.net');
    for (const odd of [undefined, 'javascript:alert(1)', 'http://acme.atlassian.net', 7])
      expect((await connect({ base_url: base }, { ...INFO, baseUrl: odd })).client.pagesUrl).toBe(base);
    const own = await connect({ base_url: 'https://jira.example' });
    expect(own.client.pagesUrl).toBe('https://jira.example');
  });
});
