import {
  fullName,
  sha,
  type FakeCommit,
  type FakeEntry,
  type FakeIssue,
  type FakeRepository,
  type FakeWorld,
} from './world.js';

export type Document = Record<string, unknown>;

/** Rows as GitHub writes them, other repositories within them included, as far as a client could stumble over it. */
export class Documents {
  constructor(
    private readonly world: FakeWorld,
    /** Of the API. */
    private readonly api: () => string,
  ) {}

  user(login: string): Document {
    return {
      login,
      id: 1,
      node_id: 'U_1',
      type: 'User',
      html_url: `https://github.com/${login}`,
      url: `${this.api()}/users/${login}`,
    };
  }

  repository(repository: FakeRepository): Document {
    const full = fullName(repository);
    return {
      id: repository.id,
      node_id: `R_${repository.id}`,
      name: repository.name,
      full_name: full,
      owner: this.user(repository.owner),
      private: true,
      visibility: 'private',
      html_url: `https://github.com/${full}`,
      url: this.repositoryUrl(repository),
      description: `All of ${full}`,
      fork: false,
      default_branch: 'main',
      has_issues: repository.hasIssues,
      archived: false,
      open_issues_count: 2,
      created_at: '2025-12-01T00:00:00Z',
      updated_at: '2026-01-01T00:00:00Z',
      pushed_at: '2026-01-01T00:00:00Z',
      template_repository: { full_name: 'acme/lib', description: 'SECRET of a template' },
    };
  }

  issue(repository: FakeRepository, issue: FakeIssue): Document {
    const url = this.repositoryUrl(repository);
    const { pull } = issue;
    return {
      id: issue.id,
      node_id: `I_${issue.id}`,
      url: `${url}/issues/${issue.number}`,
      repository_url: url,
      labels_url: `${url}/issues/${issue.number}/labels{/name}`,
      html_url: this.page(repository, issue),
      number: issue.number,
      title: issue.title,
      user: this.user(issue.user),
      labels: issue.labels.map((name) => ({ id: 7, name, color: 'd73a4a', default: false, description: null })),
      state: issue.state,
      state_reason: issue.stateReason,
      locked: false,
      assignee: null,
      assignees: issue.assignees.map((login) => this.user(login)),
      milestone: null,
      comments: issue.comments.length,
      created_at: issue.createdAt,
      updated_at: issue.updatedAt,
      closed_at: issue.closedAt,
      author_association: 'MEMBER',
      body: issue.body,
      parent_issue_url: `${this.api()}/repos/acme/lib/issues/1`,
      sub_issues_summary: { total: 1, completed: 0, percent_completed: 0 },
      ...(pull
        ? { draft: pull.draft, pull_request: { url: `${url}/pulls/${issue.number}`, merged_at: pull.mergedAt } }
        : {}),
    };
  }

  pull(repository: FakeRepository, issue: FakeIssue): Document {
    const { pull } = issue;
    const head = this.world.get(...splitName(pull?.headRepository ?? fullName(repository)));
    const { pull_request: _link, repository_url: _url, ...shared } = this.issue(repository, issue);
    return {
      ...shared,
      url: `${this.repositoryUrl(repository)}/pulls/${issue.number}`,
      draft: pull?.draft ?? false,
      merged_at: pull?.mergedAt ?? null,
      merged: pull?.mergedAt !== null,
      mergeable: true,
      mergeable_state: 'clean',
      requested_reviewers: [],
      head: {
        label: `acme:${pull?.head}`,
        ref: pull?.head,
        sha: sha(9),
        user: this.user('acme'),
        repo: head && this.repository(head),
      },
      base: {
        label: 'acme:main',
        ref: pull?.base,
        sha: sha(8),
        user: this.user('acme'),
        repo: this.repository(repository),
      },
      commits: 1,
      additions: 2,
      deletions: 3,
      changed_files: 1,
    };
  }

  comment(repository: FakeRepository, issue: FakeIssue, comment: FakeIssue['comments'][number]): Document {
    const url = this.repositoryUrl(repository);
    return {
      id: comment.id,
      url: `${url}/issues/comments/${comment.id}`,
      html_url: `${this.page(repository, issue)}#issuecomment-${comment.id}`,
      issue_url: `${url}/issues/${issue.number}`,
      body: comment.body,
      user: this.user(comment.user),
      created_at: comment.createdAt,
      updated_at: comment.createdAt,
    };
  }

  commit(repository: FakeRepository, commit: FakeCommit): Document {
    const signature = { name: commit.author, email: `${commit.author}@example.com`, date: commit.date };
    return {
      sha: commit.sha,
      url: `${this.repositoryUrl(repository)}/commits/${commit.sha}`,
      html_url: `https://github.com/${fullName(repository)}/commit/${commit.sha}`,
      commit: { message: commit.message, author: signature, committer: signature, tree: { sha: sha(5) } },
      author: this.user(commit.author),
      committer: this.user(commit.author),
      parents: [],
    };
  }

  branch(repository: FakeRepository, name: string): Document {
    const commit = { sha: sha(4), url: `${this.repositoryUrl(repository)}/commits/${sha(4)}` };
    return { name, commit, protected: name === 'main' };
  }

  /** With `content` where it is asked for itself; from 1 MB on GitHub leaves it out. */
  entry(repository: FakeRepository, path: string, entry: FakeEntry | 'dir', isItself = false): Document {
    const url = `${this.repositoryUrl(repository)}/contents/${path}?ref=main`;
    const named = {
      name: path.split('/').at(-1),
      path,
      sha: blobId(path),
      url,
      html_url: `https://github.com/${fullName(repository)}/blob/main/${path}`,
    };
    if (entry === 'dir') return { ...named, type: 'dir', size: 0 };
    if ('submodule' in entry)
      return {
        ...named,
        type: isItself ? 'submodule' : 'file',
        size: 0,
        submodule_git_url: `git://github.com/${entry.submodule}.git`,
      };
    const { bytes } = entry;
    const isLarge = bytes.length >= 1_000_000;
    const content = isLarge
      ? { content: '', encoding: 'none' }
      : { content: wrapped(bytes.toString('base64')), encoding: 'base64' };
    return { ...named, type: 'file', size: bytes.length, ...(isItself ? content : {}) };
  }

  found(repository: FakeRepository, path: string): Document {
    return {
      ...this.entry(repository, path, 'dir'),
      type: undefined,
      score: 1,
      repository: this.repository(repository),
    };
  }

  private repositoryUrl(repository: FakeRepository): string {
    return `${this.api()}/repos/${fullName(repository)}`;
  }

  private page(repository: FakeRepository, issue: FakeIssue): string {
    return `https://github.com/${fullName(repository)}/${issue.pull ? 'pull' : 'issues'}/${issue.number}`;
  }
}

export function blobId(path: string): string {
  return sha(...Buffer.from(path).subarray(0, 6));
}

function splitName(full: string): [string, string] {
  const [owner = '', name = ''] = full.split('/');
  return [owner, name];
}

/** As GitHub breaks base64 into lines. */
function wrapped(text: string): string {
  return text.replaceAll(/.{60}/g, '$&\n');
}
