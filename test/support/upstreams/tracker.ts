import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { startOldEra, type OldEraUpstream } from './old-era.js';

export interface Issue {
  id: number;
  key: string;
  project: string;
  type: string;
  title: string;
  parent?: { project: string; title: string };
}

const ISSUES: Issue[] = [
  {
    id: 1,
    key: 'DEV-1',
    project: 'DEV',
    type: 'Bug',
    title: 'Fix login',
    parent: { project: 'OPS', title: 'SECRET-PARENT' },
  },
  { id: 2, key: 'DEV-2', project: 'DEV', type: 'Task', title: 'Write docs' },
  { id: 3, key: 'OPS-1', project: 'OPS', type: 'Bug', title: 'SECRET-ISSUE' },
];

const text = { type: 'string' };
const tool = (name: string, properties: Record<string, unknown>, required: string[] = []) => ({
  name,
  inputSchema: { type: 'object', properties, required },
});

/** Tools of a tracker whose calls name projects in every way that policy has to read. */
const TOOLS = [
  tool('get_issue', { issue_key: text }, ['issue_key']),
  tool('search', { text, projects: { type: 'array', items: text } }),
  tool('list_recent', {}),
  tool('comment', { issue_key: text, body: text }, ['issue_key']),
  tool('move', { from: text, to: text }),
  tool('delete_project', { project: text }),
];

export interface TrackerUpstream extends OldEraUpstream {
  /** Arguments of the calls that reached it, by tool. */
  calls: { name: string; args: Record<string, unknown> }[];
}

/** Every answer as text and as structured content, as the specification recommends. */
export async function startTracker(): Promise<TrackerUpstream> {
  const calls: TrackerUpstream['calls'] = [];
  const upstream = await startOldEra({
    tools: TOOLS,
    call: (name, args) => {
      calls.push({ name, args });
      return answer(name, args);
    },
    resources: { listed: [], read: (uri) => JSON.stringify(uri.startsWith('jira://DEV') ? ISSUES : []) },
  });
  return Object.assign(upstream, { calls });
}

function answer(name: string, args: Record<string, unknown>): Record<string, unknown> {
  if (name === 'get_issue') {
    if (args.issue_key === '77') throw new McpError(-32602, 'SECRET-RPC');
    if (args.issue_key === '78') throw new McpError(-32000, 'SECRET-RPC');
    const issue = ISSUES.find(({ key, id }) => key === args.issue_key || String(id) === args.issue_key);
    return issue
      ? both(issue as unknown as Record<string, unknown>)
      : { content: [{ type: 'text', text: 'SECRET-ERROR: no such issue' }], isError: true };
  }
  if (name === 'search') return both({ issues: ISSUES, total: ISSUES.length });
  if (name === 'list_recent') return both({ issues: ISSUES.map(({ parent: _parent, ...issue }) => issue) });
  return both({ done: true });
}

function both(document: Record<string, unknown>): Record<string, unknown> {
  return { content: [{ type: 'text', text: JSON.stringify(document) }], structuredContent: document };
}
