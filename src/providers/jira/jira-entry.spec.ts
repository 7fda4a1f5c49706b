import { checkDeclarations } from '../../modules/registry/scopes-check.js';
import { JIRA_ENTRY } from './jira-entry.js';
import { jiraSession } from './jira-session.js';
import { JiraClient } from './jira-client.js';
import { readTools } from './read-tools.js';
import { writeTools } from './write-tools.js';

const NEVER = (): never => {
  throw new Error('nothing is asked');
};
const session = jiraSession(
  new JiraClient(NEVER, { baseUrl: '', pagesUrl: '', authorization: '', secrets: [] }, 3),
  null,
);
const tools = [...readTools(session), ...writeTools(session)];

describe('the entry of Jira', () => {
  it('declares what can work', () => {
    const checked = checkDeclarations(JIRA_ENTRY, JIRA_ENTRY.scoping_config_schema);
    expect(checked.scopes.map(({ name }) => name)).toEqual([
      'listed_project',
      'project',
      'present_project',
      'issue_type',
    ]);
  });

  it('says of every tool what it does, and in which project', () => {
    const names = tools.map(({ name }) => name).sort();
    expect(Object.keys(JIRA_ENTRY.tool_effects).sort()).toEqual(names);
    const [listed, project] = JIRA_ENTRY.scopes as { tools: object }[];
    expect([listed, project].flatMap((scope) => Object.keys(scope?.tools ?? {})).sort()).toEqual(names);
    for (const { name, annotations } of tools)
      expect([name, annotations.readOnlyHint]).toEqual([name, JIRA_ENTRY.tool_effects[name] === 'read']);
  });

  it('has tools that take no argument which is not described', () => {
    for (const { name, description, inputSchema, outputSchema } of tools) {
      expect([name, inputSchema.additionalProperties, outputSchema.type]).toEqual([name, false, 'object']);
      expect(description.length).toBeGreaterThan(20);
    }
  });
});
