/** What a Jira of three projects holds, some of its issues tied across them. */
export interface FakeProject {
  id: string;
  key: string;
  name: string;
  description: string;
}

export interface FakeLink {
  id: string;
  type: { id: string; name: string; inward: string; outward: string };
  /** Id of the issue that `outward` is said of. */
  from: string;
  to: string;
}

export interface FakeComment {
  id: string;
  /** As it was written: text or document. */
  body: unknown;
  created: number;
}

export interface FakeIssue {
  id: string;
  project: FakeProject;
  number: number;
  type: string;
  status: string;
  summary: string;
  /** As it was written: text or document. */
  description: unknown;
  parent: string | null;
  created: number;
  updated: number;
  comments: FakeComment[];
  /** Further fields by id, raw. */
  fields: Record<string, unknown>;
}

export const TYPES = ['Bug', 'Task', 'Story', 'Epic', 'Sub-task'].map((name, index) => ({
  id: String(10_100 + index),
  name,
  subtask: name === 'Sub-task',
}));
export const STATUSES = ['To Do', 'In Progress', 'Done'].map((name, index) => ({ id: String(10_200 + index), name }));
export const TRANSITIONS = [
  { id: '11', name: 'Reopen', to: 'To Do' },
  { id: '21', name: 'Start', to: 'In Progress' },
  { id: '31', name: 'Finish', to: 'Done' },
];
const BLOCKS = { id: '10000', name: 'Blocks', inward: 'is blocked by', outward: 'blocks' };

/** When it all began: 2026-01-05T08:00:00Z. */
export const BEGINNING = Date.UTC(2026, 0, 5, 8);

export class World {
  readonly projects: FakeProject[] = [
    { id: '10000', key: 'DEV', name: 'Development', description: 'What we build' },
    { id: '10001', key: 'OPS', name: 'Operations', description: 'SECRET plans' },
    { id: '10002', key: 'QA', name: 'Quality', description: '' },
  ];
  readonly issues: FakeIssue[] = [];
  readonly links: FakeLink[] = [];
  /** Keys that an issue had before it moved. */
  readonly formerKeys = new Map<string, string>();
  private lastId = 20_000;
  private clock = BEGINNING;

  constructor() {
    const dev1 = this.add('DEV', 'Bug', 'Fix login', { labels: ['login'], customfield_10016: 5 });
    const dev2 = this.add('DEV', 'Task', 'Write "docs" (OPS too)');
    this.add('DEV', 'Sub-task', 'Reproduce it', {}, dev1);
    const ops1 = this.add('OPS', 'Bug', 'SECRET outage');
    const epic = this.add('OPS', 'Epic', 'SECRET epic');
    this.add('OPS', 'Sub-task', 'SECRET subtask', {}, dev1);
    this.add('QA', 'Bug', 'Flaky test');
    dev1.parent = epic.id;
    dev1.fields.customfield_10014 = this.keyOf(epic);
    this.link(dev1, ops1);
    this.link(dev2, dev1);
    this.link(ops1, dev2);
    const moved = this.add('OPS', 'Task', 'SECRET move');
    this.formerKeys.set('DEV-9', moved.id);
  }

  /** Further issues, one a second. */
  addMany(project: string, count: number): void {
    for (let index = 0; index < count; index++) {
      const type = TYPES[index % 3]?.name ?? 'Task';
      this.add(project, type, `Issue ${index + 1} of many`);
    }
  }

  add(
    projectKey: string,
    type: string,
    summary: string,
    fields: Record<string, unknown> = {},
    parent: FakeIssue | null = null,
  ): FakeIssue {
    const project = this.projects.find(({ key }) => key === projectKey);
    if (!project) throw new Error(`no project ${projectKey}`);
    const numbers = this.issues.filter((each) => each.project === project).map(({ number }) => number);
    const now = this.tick();
    const issue: FakeIssue = {
      id: String(++this.lastId),
      project,
      number: Math.max(0, ...numbers) + 1,
      type,
      status: 'To Do',
      summary,
      description: null,
      parent: parent?.id ?? null,
      created: now,
      updated: now,
      comments: [],
      fields: { labels: [], ...fields },
    };
    this.issues.push(issue);
    return issue;
  }

  link(from: FakeIssue, to: FakeIssue): void {
    this.links.push({ id: String(30_000 + this.links.length), type: BLOCKS, from: from.id, to: to.id });
  }

  /** By id, by key in whatever case, or by a key that it had before. */
  find(idOrKey: string): FakeIssue | undefined {
    const id = this.formerKeys.get(idOrKey.toUpperCase()) ?? idOrKey;
    return this.issues.find((issue) => issue.id === id || this.keyOf(issue) === id.toUpperCase());
  }

  keyOf({ project, number }: FakeIssue): string {
    return `${project.key}-${number}`;
  }

  touch(issue: FakeIssue): void {
    issue.updated = this.tick();
  }

  /** Every change has a second of its own. */
  private tick(): number {
    return (this.clock += 1_000);
  }
}
