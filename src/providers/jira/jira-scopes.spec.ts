import fc from 'fast-check';
import { grantFacts, resource } from '../../../test/support/policies.js';
import type { Scope } from '../../modules/registry/scopes.js';
import { compileScope } from '../../modules/workspace-access/policy/compiled-scope.js';
import { decideCall } from '../../modules/workspace-access/policy/decide-call.js';
import { decideRead } from '../../modules/workspace-access/policy/decide-read.js';
import type { ConnectionFacts } from '../../modules/workspace-access/policy/facts.js';
import { compileGrant, type GrantPolicy } from '../../modules/workspace-access/policy/grant-policy.js';
import { filterResourceResult, filterToolResult } from '../../modules/workspace-access/policy/result-filter.js';
import { issueItem } from './issue-item.js';
import { JIRA_ENTRY } from './jira-entry.js';

const URIS = ['DEV', 'OPS'].flatMap((key) => [`jira://${key}`, `jira://${key}/issues`]);
const LIST = { uri: 'jira://DEV/issues', resourceId: 2 };

function connection(): ConnectionFacts {
  const resources = URIS.map((uri, index) => ({
    ...resource(index + 1, uri, uri.endsWith('issues') ? 'issue' : 'project'),
    parentId: uri.endsWith('issues') ? index : null,
  }));
  const tools = Object.entries(JIRA_ENTRY.tool_effects).map(([name, effect], index) => ({
    id: 100 + index,
    name,
    publicId: `jira_${name}`,
    effect,
  }));
  const rows = tools.map(({ id, name }) => ({ ...resource(id, `tool://jira/${name}`, 'tool'), kind: 'tool' as const }));
  return {
    isActive: true,
    scopes: (JIRA_ENTRY.scopes as Scope[]).map(compileScope),
    resources: new Map([...resources, ...rows].map((each) => [each.id, each])),
    tools: new Map(tools.map((tool) => [tool.id, tool])),
  };
}

const DEV = compileGrant(connection(), grantFacts({ allowed: [1] }));
const DEV_BUGS = compileGrant(connection(), grantFacts({ allowed: [1], filters: { issue_types: ['Bug'] } }));

const key = fc.constantFrom('DEV-1', 'DEV-2', 'OPS-1', 'OPS-2', 'OPS-DEV-1', 'DEV-1/OPS-1');
const type = fc.constantFrom('Bug', 'Task');
/** As Jira tells of another issue, and as it never should. */
const other = fc.oneof(
  fc.record({ key, type }).map((each) => ({
    key: each.key,
    fields: { summary: `${each.key} ${each.type} `, issuetype: { name: each.type } },
  })),
  fc.constantFrom('OPS-1', null, 7, [], { id: 'OPS-1' }, { key: ['OPS-1'] }, { key: { key: 'OPS-1' } }),
);
const others = fc.oneof(fc.array(other, { maxLength: 3 }), other);
const link = fc.oneof(
  other.map((issue) => ({ id: '1', type: { name: 'Blocks' }, inwardIssue: issue })),
  other.map((issue) => ({ id: '2', type: { name: 'Blocks' }, outwardIssue: issue })),
  fc.tuple(other, other).map(([inwardIssue, outwardIssue]) => ({ id: '3', inwardIssue, outwardIssue })),
);
const issue = fc
  .record({ key: fc.constantFrom('DEV-7', 'OPS-7'), type, parent: other, subtasks: others, issuelinks: fc.array(link) })
  .map(({ key: own, type: name, ...fields }) => ({
    id: '1',
    key: own,
    fields: { ...fields, summary: `${own} ${name} `, issuetype: { name } },
  }));
const items = fc.array(
  issue.map((each) => issueItem(each, 'https://jira.example')),
  { maxLength: 4 },
);

function answer(document: object): object {
  return { content: [{ type: 'text', text: JSON.stringify(document) }], structuredContent: document };
}

function called(policy: GrantPolicy, name: string, args: object, document: object): string {
  const tool = [...policy.connection.tools.values()].find((each) => each.name === name);
  if (!tool) throw new Error(name);
  const decision = decideCall(policy, tool, { ...args });
  if (decision.allowed !== true) throw new Error(`not allowed: ${JSON.stringify(decision)}`);
  return JSON.stringify(filterToolResult(answer(document), decision));
}

function read(policy: GrantPolicy, document: unknown): string {
  const decision = decideRead(policy, LIST);
  if (!decision.allowed) return '';
  const contents = [{ uri: LIST.uri, mimeType: 'application/json', text: JSON.stringify(document) }];
  return JSON.stringify(filterResourceResult({ contents }, decision));
}

describe('the scopes of Jira', () => {
  it('leave nothing of another project in an answer, whatever stands in it', () => {
    fc.assert(
      fc.property(items, (found) => {
        const texts = [
          called(DEV, 'search_issues', {}, { issues: found }),
          read(DEV, found),
          ...found.map((each) => called(DEV, 'get_issue', { issue_key: 'DEV-7' }, { issue: each })),
          ...found.map((each) =>
            called(DEV, 'create_issue', { project_key: 'DEV', issue_type: 'Bug' }, { issue: each }),
          ),
        ];
        for (const text of texts) expect(text).not.toContain('OPS');
      }),
      { numRuns: 500 },
    );
  });

  it('leave nothing of another type in it where a filter names types', () => {
    fc.assert(
      fc.property(items, (found) => {
        const texts = [
          called(DEV_BUGS, 'search_issues', {}, { issues: found }),
          read(DEV_BUGS, found),
          ...found.map((each) => called(DEV_BUGS, 'get_issue', { issue_key: 'DEV-7' }, { issue: each })),
        ];
        for (const text of texts) expect(text).not.toMatch(/OPS|Task/);
      }),
      { numRuns: 500 },
    );
  });

  it('keep what is granted', () => {
    const whole = issueItem(
      { id: '1', key: 'DEV-7', fields: { parent: { key: 'DEV-1' }, issuetype: { name: 'Bug' } } },
      '',
    );
    for (const text of [called(DEV, 'search_issues', {}, { issues: [whole] }), read(DEV, [whole])])
      expect(text).toContain('DEV-1');
    expect(called(DEV, 'get_issue', { issue_key: 'dev-7' }, { issue: whole })).toContain('DEV-1');
  });

  it('tie tools for issues to the list of issues, and the list of projects to projects', () => {
    const projectAlone = compileGrant(connection(), grantFacts({ allowed: [1], excluded: [2] }));
    const issuesAlone = compileGrant(connection(), grantFacts({ allowed: [2] }));
    for (const tool of DEV.connection.tools.values()) {
      const args = { issue_key: 'DEV-1', project_key: 'DEV', projects: ['DEV'], issue_type: 'Bug' };
      const isAllowed = (policy: GrantPolicy): boolean => decideCall(policy, tool, args).allowed !== false;
      const isOfProjects = tool.name === 'list_projects';
      expect([tool.name, isAllowed(DEV)]).toEqual([tool.name, true]);
      expect([tool.name, isAllowed(projectAlone)]).toEqual([tool.name, isOfProjects]);
      expect([tool.name, isAllowed(issuesAlone)]).toEqual([tool.name, !isOfProjects]);
    }
  });

  it('ask where an issue is now before a write, and only of those whose key is granted', () => {
    for (const name of ['update_issue', 'transition_issue', 'add_comment']) {
      const tool = [...DEV.connection.tools.values()].find((each) => each.name === name);
      if (!tool) throw new Error(name);
      expect(decideCall(DEV, tool, { issue_key: 'DEV-1' })).toMatchObject({ allowed: 'lookup', tool: 'get_issue' });
      expect(decideCall(DEV, tool, { issue_key: 'OPS-1' })).toMatchObject({
        allowed: false,
        reason: 'scope_not_granted',
      });
      const lookups = new Map([['present_project', [['DEV']]]]);
      expect(decideCall(DEV, tool, { issue_key: 'DEV-1' }, lookups)).toMatchObject({ allowed: true, resourceId: 2 });
      const elsewhere = new Map([['present_project', [['OPS']]]]);
      expect(decideCall(DEV, tool, { issue_key: 'DEV-1' }, elsewhere)).toMatchObject({ reason: 'lookup_failed' });
    }
  });
});
