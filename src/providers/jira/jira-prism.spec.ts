import { connectProvider, type ConnectedProvider } from '../../../test/support/upstreams/jira/connected.js';
import { hasJiraDescription, startPrismJira, type PrismJira } from '../../../test/support/upstreams/jira/prism.js';

const AUTH = { email: 'mia@example.com', api_token: 'token-1234567890' };
const described = hasJiraDescription ? describe : describe.skip;
const title = "Jira's description of its API";

/** Examples of Atlassian's own description, so that what the product reads is what Jira says it writes. */
described(
  hasJiraDescription ? title : `${title} (skipped: ../shared/data/jira-platform-swagger-2022.json is absent)`,
  () => {
    let prism: PrismJira;
    let provider: ConnectedProvider;
    beforeAll(async () => {
      prism = await startPrismJira();
      provider = await connectProvider({ ...AUTH, base_url: prism.url });
      // From here on every answer is checked against the output schemas.
      await provider.client.listTools();
    }, 90_000);
    afterAll(async () => {
      await provider?.close();
      await prism?.close();
    });

    it('is spoken to as Cloud, with its version and time', () => {
      expect(provider.client.getServerVersion()).toMatchObject({
        version: '1001.0.0-SNAPSHOT',
        title: 'My Jira instance',
      });
      expect(provider.serverTime).toBe('2022-07-15T09:19:40.227Z');
    });

    it.each([
      ['search_issues', { jql: 'project = ED' }, { issues: [{ key: 'ED-1', id: '10002', project: 'ED' }] }],
      ['search_issues', { projects: ['EX'] }, { issues: [] }],
      [
        'get_issue',
        { issue_key: 'ED-1' },
        { issue: { key: 'ED-1', description: expect.stringContaining('Main order') } },
      ],
      ['list_projects', {}, { projects: [{ id: '10000', key: 'EX', name: 'Example' }, {}] }],
      [
        'list_issue_types',
        { project_key: 'EX' },
        { issue_types: [{ name: 'Task', statuses: ['In Progress', 'Closed'] }] },
      ],
      ['update_issue', { issue_key: 'ED-1', summary: 'New' }, { issue: { key: 'ED-1' } }],
      ['transition_issue', { issue_key: 'ED-1', transition: 'close issue' }, { issue: { key: 'ED-1' } }],
      ['add_comment', { issue_key: 'ED-1', body: 'Hello' }, { comment: { id: '10000', author: 'Mia Krystof' } }],
    ])('is read: %s %j', async (tool, args, expected) => {
      const { text, content } = await provider.call(tool, args);
      expect(content ?? text).toMatchObject(expected);
    });

    it('has projects as resources', async () => {
      const { resources } = await provider.client.listResources();
      expect(resources.slice(0, 2).map(({ uri, name }) => [uri, name])).toEqual([
        ['jira://EX', 'Example'],
        ['jira://EX/issues', 'Example Issues'],
      ]);
      expect((await provider.read('jira://EX')).document).toMatchObject({
        description: 'This project was created as an example for REST.',
      });
      expect((await provider.read('jira://EX/issues')).document).toEqual([]);
    });

    it('is refused without credentials', async () => {
      const nobody = connectProvider({ api_token: 'token', base_url: prism.url });
      await expect(nobody).rejects.toMatchObject({ reason: 'unauthorized' });
    });
  },
);
