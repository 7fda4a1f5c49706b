import fc from 'fast-check';
import {
  policyOf,
  PROJECT_SCOPE,
  toolNamed,
  trackerConnection,
  TYPE_SCOPE,
} from '../../../../test/support/policies.js';
import type { ResultFilter, Scope } from '../../registry/registry.service.js';
import { decideCall, type Allowed } from './decide-call.js';
import { decideRead } from './decide-read.js';
import { filterResourceResult, filterToolResult } from './result-filter.js';

/** Inside everything that may not be seen. */
const MARKER = 'marker-of-OPS';
const DEV = { project: 'DEV', title: 'ours' };
const OPS = { project: 'OPS', title: MARKER };
const WITHHELD = null;

const scopes = [PROJECT_SCOPE, TYPE_SCOPE];

/** How a call was allowed under a grant of DEV and QA. */
function allowed(tool: string, args: Record<string, unknown> = {}, filters = {}, declared = scopes): Allowed {
  const policy = policyOf({ allowed: [1, 2], filters }, trackerConnection(declared));
  const decision = decideCall(policy, toolNamed(policy, tool), args);
  if (decision.allowed !== true) throw new Error(`${tool} is not allowed`);
  return decision;
}

/** A tool of which nothing is known but its answers. */
function answeredWith(...results: ResultFilter[]): Allowed {
  const scope: Scope = { ...PROJECT_SCOPE, tools: { list_recent: { results } } };
  return allowed('list_recent', {}, {}, [scope]);
}

const text = (content: unknown) => ({ type: 'text', text: JSON.stringify(content) });
const structured = (result: unknown): unknown => (result as { structuredContent?: unknown } | null)?.structuredContent;
const textsOf = (result: unknown): unknown[] =>
  ((result as { content?: { text?: unknown }[] } | null)?.content ?? []).map((part) => part.text);
const PROJECT = { '/project': '{project_key}' };
const LINES: ResultFilter = { kind: 'lines', value: '{project_key}: {text}', keep: ['No issues'] };

describe('items of an answer', () => {
  const show = (decision: Allowed, structuredContent: unknown): unknown =>
    structured(filterToolResult({ structuredContent, content: [] }, decision));

  it('are taken out of an array that is the whole answer', () => {
    const decision = answeredWith({ kind: 'items', items: '', parts: PROJECT });
    expect(show(decision, [DEV, OPS, { project: 'qa' }])).toEqual([DEV, { project: 'qa' }]);
    expect(show(decision, [OPS])).toEqual([]);
    expect(show(decision, [])).toEqual([]);
  });

  it('are taken out of an array below', () => {
    const decision = answeredWith({ kind: 'items', items: '/data/issues', parts: PROJECT });
    expect(show(decision, { data: { issues: [OPS, DEV] }, page: 1 })).toEqual({ data: { issues: [DEV] }, page: 1 });
    expect(show(decision, { data: { issues: OPS } })).toEqual({ data: {} });
    expect(show(decision, { data: { issues: DEV } })).toEqual({ data: { issues: DEV } });
  });

  it('are taken out of every array that a * leads to', () => {
    const decision = answeredWith({ kind: 'items', items: '/boards/*/columns/*/issues', parts: PROJECT });
    const board = (...issues: unknown[]) => ({ columns: [{ issues }, { issues: [OPS] }] });
    expect(show(decision, { boards: [board(DEV, OPS), board(OPS)] })).toEqual({
      boards: [{ columns: [{ issues: [DEV] }, { issues: [] }] }, { columns: [{ issues: [] }, { issues: [] }] }],
    });
    expect(show(decision, { boards: [{ columns: OPS }] })).toBeUndefined();
    expect(show(decision, { boards: [{ columns: [{ elsewhere: OPS }] }] })).toBeUndefined();
    expect(show(decision, { boards: { columns: [] } })).toBeUndefined();
  });

  it('may be a single object, which is the answer or no answer at all', () => {
    expect(show(allowed('get_issue'), DEV)).toEqual(DEV);
    expect(filterToolResult({ structuredContent: OPS }, allowed('get_issue'))).toBe(WITHHELD);
  });

  it('may have others within them, which are taken out by themselves', () => {
    const get = allowed('get_issue', { issue_key: 'DEV-1' });
    expect(show(get, { ...DEV, links: [OPS, DEV] })).toEqual({ ...DEV, links: [DEV] });
    expect(show(get, { ...DEV, links: OPS })).toEqual(DEV);
    expect(show(get, { ...DEV, links: null })).toEqual({ ...DEV, links: null });
    expect(show(get, { ...DEV, links: MARKER })).toEqual(DEV);
    const search = allowed('search', { projects: ['DEV'] });
    expect(show(search, { issues: [{ ...DEV, parent: OPS }, { ...DEV, parent: DEV }, DEV, OPS] })).toEqual({
      issues: [DEV, { ...DEV, parent: DEV }, DEV],
    });
  });

  it('are not looked for behind a list where one object was declared', () => {
    const result = { structuredContent: [{ ...DEV, links: [OPS] }], content: [text([{ ...DEV, links: [OPS] }])] };
    expect(filterToolResult(result, allowed('get_issue'))).toBe(WITHHELD);
  });

  it.each([
    ['no project', { title: MARKER }],
    ['a project that is no text', { project: ['DEV'], title: MARKER }],
    ['a project that is null', { project: null, title: MARKER }],
    ['an empty project', { project: '', title: MARKER }],
    ['a project inherited', { ['__proto__']: { project: 'DEV' }, title: MARKER }],
    ['a project in another list', [DEV, MARKER]],
    ['a text', MARKER],
  ])('go when they have %s', (_what, item) => {
    const decision = allowed('list_recent');
    const filtered = filterToolResult({ structuredContent: { issues: [item, DEV] }, content: [] }, decision);
    expect(structured(filtered)).toEqual({ issues: [DEV] });
  });

  it('go when their number was too large to be parsed exactly', () => {
    const scope: Scope = {
      ...PROJECT_SCOPE,
      tools: { list_recent: { results: [{ kind: 'items', items: '', parts: { '/id': '{project_key}' } }] } },
    };
    const connection = trackerConnection([scope]);
    const resources = new Map(connection.resources);
    const project = { id: 9, kind: 'resource', uri: 'jira://9007199254740992', name: 'big', type: 'project' } as const;
    resources.set(9, { ...project, parentId: null });
    const policy = policyOf({ allowed: [9] }, { ...connection, resources });
    const decision = decideCall(policy, toolNamed(policy, 'list_recent'), {});
    const content = [{ type: 'text', text: `[{"id":9007199254740993,"title":"${MARKER}"}]` }];
    expect(decision.allowed === true && filterToolResult({ content }, decision)).toEqual({ content: [text([])] });
  });

  it('must pass every scope that declares something of them', () => {
    const decision = allowed('list_recent', {}, { issue_types: ['bug'] });
    const issues = [
      { project: 'DEV', type: 'Bug' },
      { project: 'DEV', type: 'Task', title: MARKER },
      { project: 'OPS', type: 'Bug', title: MARKER },
      { project: 'DEV', title: MARKER },
    ];
    expect(filterToolResult({ structuredContent: { issues }, content: [text({ issues })] }, decision)).toEqual({
      structuredContent: { issues: issues.slice(0, 1) },
      content: [text({ issues: issues.slice(0, 1) })],
    });
  });

  it.each([[null], ['text'], [5], [[]], [{}], [{ issues: null }], [{ issues: 'text' }], [[{ issues: [OPS] }]]])(
    'that stand somewhere else than declared are withheld with all of the answer: %j',
    (content) => {
      const decision = allowed('list_recent');
      const filtered = filterToolResult({ structuredContent: content, content: [text(content)] }, decision);
      expect([WITHHELD, JSON.stringify({ content: [text({})], structuredContent: {} })]).toContain(
        filtered && JSON.stringify(filtered),
      );
    },
  );
});

describe('lines of an answer', () => {
  const decision = answeredWith(LINES);
  const show = (lines: string): unknown[] =>
    textsOf(filterToolResult({ content: [{ type: 'text', text: lines }] }, decision));

  it.each([
    ['DEV: a\nOPS: b\nQA: c', 'DEV: a\nQA: c'],
    ['DEV: a\r\nOPS: b\r\nqa: c', 'DEV: a\nqa: c'],
    ['No issues', 'No issues'],
    ['No issues ', ''],
    [' DEV: a', ''],
    [`of the form of nothing ${MARKER}`, ''],
    ['', ''],
  ])('%j becomes %j', (before, after) => expect(show(before)).toEqual([after]));

  it.each(['\r', '\v', '\f', '\u0085', '\u2028', '\u2029', '\n\r'])(
    'end at %j, which some reader takes for an end',
    (end) => {
      expect(show(`DEV: a${end}OPS: ${MARKER}`).join().trim()).toBe('DEV: a');
      expect(show(`DEV: a${end}${MARKER}`).join().trim()).toBe('DEV: a');
    },
  );

  it('stand in structured content only where that is declared', () => {
    const lines = 'DEV: a\nOPS: b';
    const result = { content: [{ type: 'text', text: lines }], structuredContent: { content: lines, other: MARKER } };
    const content = [{ type: 'text', text: 'DEV: a' }];
    expect(filterToolResult(result, decision)).toEqual({ content });
    const twin = answeredWith({ ...LINES, structured: '/content' });
    expect(filterToolResult(result, twin)).toEqual({ content, structuredContent: { content: 'DEV: a' } });
    expect(filterToolResult({ ...result, structuredContent: { content: [lines] } }, twin)).toEqual({ content });
    expect(filterToolResult({ structuredContent: { content: 'OPS: b' } }, twin)).toEqual({
      content: [text({ content: '' })],
      structuredContent: { content: '' },
    });
  });
});

describe('parts of an answer', () => {
  const decision = allowed('list_recent');
  const both = { issues: [DEV, OPS] };
  const ours = { issues: [DEV] };

  it('are filtered each by itself, text like structured content', () => {
    expect(
      filterToolResult({ content: [text(both), text({ issues: [OPS] })], structuredContent: both }, decision),
    ).toEqual({
      content: [text(ours), text({ issues: [] })],
      structuredContent: ours,
    });
  });

  it('go where the declaration does not cover them, and leave their twin', () => {
    expect(filterToolResult({ content: [text([OPS])], structuredContent: both }, decision)).toEqual({
      content: [text(ours)],
      structuredContent: ours,
    });
    expect(filterToolResult({ content: [text(both)], structuredContent: { others: [OPS] } }, decision)).toEqual({
      content: [text(ours)],
    });
    expect(filterToolResult({ content: [text([OPS])], structuredContent: [OPS] }, decision)).toBe(WITHHELD);
  });

  it('keep nothing but what was filtered', () => {
    const extras = { _meta: { x: MARKER }, annotations: { x: MARKER }, unknown: MARKER };
    const resource = { uri: 'jira://DEV/issues', mimeType: 'application/json', text: JSON.stringify(both), ...extras };
    const result = {
      content: [
        { ...text(both), ...extras },
        { type: 'resource', resource, ...extras },
        { type: 'resource', resource: { uri: { x: MARKER }, mimeType: [MARKER], text: JSON.stringify(both) } },
      ],
      structuredContent: both,
      nextCursor: MARKER,
      ...extras,
    };
    expect(filterToolResult(result, decision)).toEqual({
      content: [
        text(ours),
        {
          type: 'resource',
          resource: { uri: 'jira://DEV/issues', mimeType: 'application/json', text: JSON.stringify(ours) },
        },
        { type: 'resource', resource: { text: JSON.stringify(ours) } },
      ],
      structuredContent: ours,
    });
  });

  it.each([
    { type: 'image', data: MARKER, mimeType: 'image/png' },
    { type: 'audio', data: MARKER, mimeType: 'audio/wav' },
    { type: 'resource_link', uri: `jira://${MARKER}`, name: MARKER },
    { type: 'resource', resource: { uri: `jira://${MARKER}`, blob: MARKER } },
    { type: 'resource', resource: { uri: `jira://${MARKER}`, text: JSON.stringify({ other: [OPS] }) } },
    { type: 'resource', resource: MARKER },
    { type: 'text', text: `no JSON: ${MARKER}` },
    { type: 'text', text: { issues: [MARKER] } },
    { type: 'unheard_of', text: JSON.stringify(ours), more: MARKER },
    { text: JSON.stringify(ours), more: MARKER },
    MARKER,
    [MARKER],
    null,
  ])('of a kind that can not be checked go: %j', (part) => {
    expect(filterToolResult({ content: [part, text(both)] }, decision)).toEqual({ content: [text(ours)] });
    expect(JSON.stringify(filterToolResult({ content: [part] }, decision))).not.toContain(MARKER);
  });

  it.each([
    ['a key twice', `{"issues":[{"project":"OPS","title":"${MARKER}"}],"issues":[{"project":"DEV","title":"ours"}]}`],
    ['a key twice in an item', `{"issues":[{"project":"OPS","title":"${MARKER}","project":"DEV","title":"ours"}]}`],
  ])('that have %s are written anew, as they were read', (_what, json) => {
    const filtered = filterToolResult({ content: [{ type: 'text', text: json }] }, decision);
    expect(filtered).toEqual({ content: [text(ours)] });
  });

  it('are not fooled by a prototype', () => {
    const json = `{"__proto__":{"issues":[]},"issues":[{"__proto__":{"project":"DEV"},"title":"${MARKER}"},{"project":"DEV","title":"ours"}]}`;
    const filtered = JSON.stringify(filterToolResult({ content: [{ type: 'text', text: json }] }, decision));
    expect(filtered).not.toContain(MARKER);
    expect(filtered).toContain('ours');
    const without = `{"__proto__":{"issues":[{"title":"${MARKER}"}]}}`;
    expect(filterToolResult({ content: [{ type: 'text', text: without }] }, decision)).toBe(WITHHELD);
  });

  it.each([
    [null, WITHHELD],
    [[OPS], WITHHELD],
    [MARKER, WITHHELD],
    [undefined, WITHHELD],
    [{}, { content: [] }],
    [{ content: MARKER }, { content: [] }],
    [{ content: [], structuredContent: null }, WITHHELD],
    [{ toolResult: MARKER }, { content: [] }],
  ])('are missing in %j, of which nothing is seen', (result, seen) => {
    expect(filterToolResult(result, decision)).toEqual(seen);
    if (typeof result !== 'object' || result === null || Array.isArray(result))
      expect(filterToolResult(result, allowed('move', { from: 'DEV' }))).toBe(WITHHELD);
  });

  it('leave as they are where the type declares no results', () => {
    const result = { content: [{ type: 'image', data: 'x' }], _meta: { a: 1 } };
    expect(filterToolResult(result, allowed('move', { from: 'DEV', to: 'QA' }))).toBe(result);
  });
});

describe('huge answers', () => {
  const decision = allowed('list_recent');

  it('that are too deep to be written are withheld, not a crash', () => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    const json = `{"issues":[{"project":"DEV","deep":${deep}}]}`;
    expect(filterToolResult({ content: [{ type: 'text', text: json }] }, decision)).toBe(WITHHELD);
    expect(filterToolResult({ structuredContent: JSON.parse(json) as unknown }, decision)).toBe(WITHHELD);
    expect(filterToolResult({ content: [{ type: 'text', text: deep }] }, decision)).toBe(WITHHELD);
  });

  it('take a time that grows with their size alone', () => {
    const issues = Array.from({ length: 50_000 }, (_, index) => (index % 2 ? DEV : OPS));
    const lines = answeredWith(LINES);
    const started = performance.now();
    const [shown] = textsOf(filterToolResult({ content: [text({ issues })] }, decision));
    filterToolResult({ content: [{ type: 'text', text: 'DEV: x'.repeat(50_000) }] }, lines);
    filterToolResult({ content: [{ type: 'text', text: 'OPS: x\r\n'.repeat(50_000) }] }, lines);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(String(shown).match(/ours/g)).toHaveLength(25_000);
  });
});

describe('an error', () => {
  const failed = {
    isError: true,
    content: [
      { type: 'text', text: 'DEV-1 has no such field', _meta: { x: MARKER } },
      { type: 'image', data: MARKER },
      { type: 'resource', resource: { uri: 'x', text: MARKER } },
    ],
    structuredContent: { x: MARKER },
    _meta: { x: MARKER },
  };

  it('is told where the arguments decided, as text alone', () => {
    expect(filterToolResult(failed, allowed('get_issue', { issue_key: 'DEV-1' }))).toEqual({
      isError: true,
      content: [{ type: 'text', text: 'DEV-1 has no such field' }],
    });
  });

  it('is not told where only the answer would have decided', () => {
    const filtered = filterToolResult({ ...failed, content: [{ type: 'text', text: MARKER }] }, allowed('list_recent'));
    expect(filtered).toMatchObject({ isError: true, content: [{ type: 'text' }] });
    expect(JSON.stringify(filtered)).not.toContain(MARKER);
  });

  it('is one only if it says so plainly', () => {
    for (const isError of [1, 'true', {}, null, false])
      expect(filterToolResult({ ...failed, isError }, allowed('get_issue', { issue_key: 'DEV-1' }))).toBe(WITHHELD);
  });
});

describe('what a resource says', () => {
  const policy = policyOf({ allowed: [1] });
  const decision = decideRead(policy, { uri: 'jira://DEV/issues', resourceId: 101 });
  const read = (result: unknown): unknown => {
    if (!decision.allowed) throw new Error('not allowed');
    return filterResourceResult(result, decision);
  };
  const part = (content: unknown, more = {}) => ({ uri: 'jira://DEV/issues', text: JSON.stringify(content), ...more });

  it('is filtered as declared for its URI', () => {
    const extras = { _meta: { x: MARKER }, unknown: MARKER };
    expect(read({ contents: [part([DEV, OPS], { ...extras, mimeType: 'application/json' })], ...extras })).toEqual({
      contents: [{ uri: 'jira://DEV/issues', mimeType: 'application/json', text: JSON.stringify([DEV]) }],
    });
  });

  it.each([
    [{ contents: [{ uri: 'jira://DEV/issues', blob: MARKER }] }, WITHHELD],
    [{ contents: [{ uri: 'jira://DEV/issues', text: MARKER }] }, WITHHELD],
    [{ contents: [part(OPS)] }, WITHHELD],
    [{ contents: [part([OPS])] }, { contents: [part([])] }],
    [{ contents: [part([DEV]), { uri: MARKER, blob: MARKER }] }, { contents: [part([DEV])] }],
    [
      { contents: [part([DEV], { uri: [MARKER], mimeType: { x: MARKER } })] },
      { contents: [{ text: JSON.stringify([DEV]) }] },
    ],
    [{ contents: MARKER }, { contents: [] }],
    [{ contents: [] }, { contents: [] }],
    [{ content: [text(OPS)] }, { contents: [] }],
    [[part([OPS])], WITHHELD],
    [null, WITHHELD],
    [MARKER, WITHHELD],
  ])('%j is seen as %j', (result, seen) => expect(read(result)).toEqual(seen));

  it('leaves as it is where nothing is declared for its URI', () => {
    const project = decideRead(policy, { uri: 'jira://DEV', resourceId: 1 });
    const result = { contents: [{ uri: 'jira://DEV', blob: 'x' }] };
    expect(project.allowed && filterResourceResult(result, project)).toBe(result);
  });
});

describe('whatever a server answers', () => {
  const allowedSearch = allowed('search', { projects: ['DEV'] });
  const allowedRecent = allowed('list_recent');
  const linesDecision = answeredWith(LINES);

  /** Forbidden in any form and at any place that the declaration speaks of; elsewhere anything without the marker. */
  const secret = fc.oneof(
    fc.constant(OPS),
    fc.constant(MARKER),
    fc.constant([OPS, [OPS]]),
    fc.record({
      project: fc.constantFrom('ops', 'NONE', '', 'DEV-OPS', 5, null, 1.5),
      deep: fc.constant({ x: MARKER }),
    }),
  );
  const issue = fc.record(
    { project: fc.constantFrom('DEV', 'qa'), parent: fc.oneof(secret, fc.constant(DEV), fc.constant(null)) },
    { requiredKeys: ['project'] },
  );
  const document = fc.oneof(
    fc.record({ issues: fc.oneof(fc.array(fc.oneof(issue, secret)), secret), page: fc.nat() }),
    secret,
    fc.array(secret),
  );
  const envelope = { _meta: fc.constant({ x: MARKER }), other: fc.constant(MARKER) };
  const part = fc.oneof(
    document.map(text),
    fc.record(
      {
        type: fc.constant('text'),
        text: fc.oneof(
          document.map((each) => JSON.stringify(each)),
          fc.constant(MARKER),
        ),
        ...envelope,
      },
      { requiredKeys: ['type'] },
    ),
    fc.record({
      type: fc.constantFrom('resource', 'resource_link', 'image', 'audio', 'text', '', null),
      data: fc.constant(MARKER),
      resource: fc.oneof(
        secret,
        document.map((each) => ({ text: JSON.stringify(each), blob: MARKER })),
      ),
    }),
    secret,
  );
  const result = fc.oneof(
    fc.record(
      {
        content: fc.oneof(fc.array(part, { maxLength: 4 }), secret),
        structuredContent: document,
        isError: fc.constantFrom(true, false, 'true', MARKER),
        contents: fc.constant([OPS]),
        ...envelope,
      },
      { requiredKeys: [] },
    ),
    secret,
  );

  it('nothing of a project that is not granted is seen', () => {
    let seen = 0;
    fc.assert(
      fc.property(result, (answer) => {
        const filtered = JSON.stringify(filterToolResult(answer, { ...allowedSearch, decidedBefore: false }));
        expect(filtered).not.toContain(MARKER);
        if (filtered.includes('DEV')) seen++;
      }),
      { numRuns: 2_000 },
    );
    expect(seen).toBeGreaterThan(50);
  });

  it('nor of what a resource says', () => {
    const decision = decideRead(policyOf({ allowed: [1, 2] }), { uri: 'jira://DEV/issues', resourceId: 101 });
    const contents = fc.record(
      {
        text: fc.oneof(fc.array(secret), secret).map((each) => JSON.stringify(each)),
        blob: fc.constant(MARKER),
        ...envelope,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.record({ contents: fc.array(fc.oneof(contents, secret)), ...envelope }), secret),
        (answer) => {
          expect(decision.allowed).toBe(true);
          expect(JSON.stringify(decision.allowed && filterResourceResult(answer, decision))).not.toContain(MARKER);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('and nothing that is not JSON makes it crash', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (content, structuredContent, line) => {
        for (const decision of [allowedRecent, allowedSearch, linesDecision]) {
          filterToolResult({ content, structuredContent }, decision);
          filterToolResult({ content: [{ type: 'text', text: line }, text(content)] }, decision);
          filterToolResult(content, decision);
        }
      }),
      { numRuns: 500 },
    );
  });
});
