/** What a fake GitHub knows. Plain data, so that tests set up what they need and look at what was written. */
export interface FakeIssue {
  id: number;
  number: number;
  title: string;
  body: string;
  state: 'open' | 'closed';
  stateReason: string | null;
  user: string;
  labels: string[];
  assignees: string[];
  createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  comments: { id: number; body: string; user: string; createdAt: string }[];
  /** A pull request is an issue with branches. */
  pull?: { head: string; headRepository: string; base: string; mergedAt: string | null; draft: boolean };
}

export interface FakeCommit {
  sha: string;
  message: string;
  author: string;
  date: string;
  paths: string[];
}

/** A file by its bytes; a submodule by the repository it stands for. */
export type FakeEntry = { bytes: Buffer } | { submodule: string };

export interface FakeRepository {
  id: number;
  owner: string;
  name: string;
  hasIssues: boolean;
  /** `owner/name` it had before; asked for by them it answers with a redirect by id. */
  formerNames: string[];
  issues: Map<number, FakeIssue>;
  /** Numbers that moved to another repository. */
  transferred: Map<number, { repository: string; number: number }>;
  /** By branch. */
  trees: Map<string, Map<string, FakeEntry>>;
  commits: FakeCommit[];
}

export class FakeWorld {
  readonly repositories = new Map<number, FakeRepository>();
  private nextId = 1_000;
  private clock = Date.parse('2026-01-01T00:00:00Z');

  constructor() {
    for (const [owner, name] of [
      ['acme', 'app'],
      ['acme', 'lib'],
      ['other', 'lib'],
      ['other', 'app'],
      ['acme', 'engine'],
    ] as const)
      this.addRepository(owner, name);
    this.named('acme', 'engine').formerNames.push('acme/motor');
    const app = this.named('acme', 'app');
    app.transferred.set(90, { repository: 'acme/lib', number: 1 });
    this.addPull(app, 'Speed up the start', 'acme/lib');
  }

  get(owner: string, name: string): FakeRepository | undefined {
    const full = `${owner}/${name}`.toLowerCase();
    return [...this.repositories.values()].find((each) => fullName(each).toLowerCase() === full);
  }

  named(owner: string, name: string): FakeRepository {
    const found = this.get(owner, name);
    if (!found) throw new Error(`the fake has no ${owner}/${name}`);
    return found;
  }

  renamedFrom(owner: string, name: string): FakeRepository | undefined {
    return [...this.repositories.values()].find(({ formerNames }) =>
      formerNames.includes(`${owner}/${name}`.toLowerCase()),
    );
  }

  /** Later than everything before, a second each time. */
  now(): string {
    this.clock += 1_000;
    return `${new Date(this.clock).toISOString().slice(0, -5)}Z`;
  }

  id(): number {
    return ++this.nextId;
  }

  addRepository(owner: string, name: string): FakeRepository {
    const repository: FakeRepository = {
      id: this.id(),
      owner,
      name,
      hasIssues: true,
      formerNames: [],
      issues: new Map(),
      transferred: new Map(),
      trees: new Map(),
      commits: [],
    };
    this.repositories.set(repository.id, repository);
    const secret = `only in ${owner}/${name}`;
    repository.trees.set(
      'main',
      new Map<string, FakeEntry>([
        ['README.md', { bytes: Buffer.from(`# ${name}\n${secret}\n`) }],
        ['docs/set up?.md', { bytes: Buffer.from(`Setting up ${secret}`) }],
        ['docs/logo.png', { bytes: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]) }],
        ['vendor/other', { submodule: 'other/app' }],
      ]),
    );
    repository.trees.set('release/1.0', new Map([['README.md', { bytes: Buffer.from(`# ${name} 1.0\n`) }]]));
    repository.commits.push(
      {
        sha: sha(repository.id, 2),
        message: `Write docs, ${secret}`,
        author: 'octocat',
        date: this.now(),
        paths: ['docs/set up?.md'],
      },
      {
        sha: sha(repository.id, 1),
        message: `Begin, ${secret}`,
        author: 'hubot',
        date: this.now(),
        paths: ['README.md'],
      },
    );
    this.addIssue(repository, { title: `Login fails, ${secret}`, labels: ['bug'], body: `A body ${secret}` });
    this.addIssue(repository, { title: `Write a guide, ${secret}`, labels: ['docs'] });
    return repository;
  }

  addIssue(repository: FakeRepository, content: Partial<FakeIssue> & { title: string }): FakeIssue {
    const time = this.now();
    const issue: FakeIssue = {
      id: this.id(),
      number: Math.max(0, ...repository.issues.keys()) + 1,
      body: '',
      state: 'open',
      stateReason: null,
      user: 'octocat',
      labels: [],
      assignees: [],
      createdAt: time,
      updatedAt: time,
      closedAt: null,
      comments: [],
      ...content,
    };
    repository.issues.set(issue.number, issue);
    return issue;
  }

  addPull(repository: FakeRepository, title: string, headRepository = fullName(repository)): FakeIssue {
    const pull = { head: 'topic', headRepository, base: 'main', mergedAt: null, draft: false };
    return this.addIssue(repository, { title, pull });
  }
}

export function fullName({ owner, name }: FakeRepository): string {
  return `${owner}/${name}`;
}

export function sha(...seed: number[]): string {
  return Buffer.from(seed.join(' ')).toString('hex').padStart(40, '0').slice(-40);
}
