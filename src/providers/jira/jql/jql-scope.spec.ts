import fc from 'fast-check';
import { fits, JqlError, parseJql, type Tree } from '../../../../test/support/upstreams/jira/jql.js';
import { World } from '../../../../test/support/upstreams/jira/world.js';
import { ToolFailure } from '../../kit/tool.js';
import { boundedJql, jqlOfTypes } from './jql-scope.js';

const world = new World();
const bounds = {
  projects: new Set(['dev', 'development', '10000']),
  keys: ['DEV'],
  hasIssue: async (id: string) => world.find(id)?.project.key === 'DEV',
  haveIssues: async (keys: readonly string[]) => keys.every((key) => world.find(key)?.project.key === 'DEV'),
  mayHoldIssues: async ({ name }: { name: string }) => name !== '10016',
};
const bounded = (jql: string): Promise<string> => boundedJql(jql, bounds, null);

/** Null where it was refused, which must be said in words. */
async function boundedOrRefused(jql: string): Promise<string | null> {
  try {
    return await bounded(jql);
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    return null;
  }
}

/** Whether nothing can fit that is not of DEV: the first part of the whole says so. */
function isBound(tree: Tree | null): boolean {
  if (tree?.kind === 'clause') return isProjects(tree);
  return tree?.kind === 'and' && tree.parts[0] !== undefined && isProjects(tree.parts[0]) && tree.parts.length === 2;
}

function isProjects(tree: Tree): boolean {
  if (tree.kind !== 'clause') return false;
  const { field, operator, values } = tree;
  return field === 'project' && operator === 'in' && values.length === 1 && values[0]?.text === 'DEV';
}

/** Null where Jira would not run it. */
function verdictOf(run: () => boolean): boolean | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof JqlError) return null;
    throw error;
  }
}

/** Looks at every clause of a tree. */
function clausesOf(tree: Tree | null): Extract<Tree, { kind: 'clause' }>[] {
  if (tree === null) return [];
  if (tree.kind === 'clause') return [tree];
  return tree.kind === 'not' ? clausesOf(tree.part) : tree.parts.flatMap(clausesOf);
}

const pieces = fc.constantFrom(
  ...[
    'project',
    'key',
    'parent',
    'status',
    'summary',
    '"Epic Link"',
    'cf[10014]',
    'and',
    'OR',
    'not',
    'in',
    'is',
    'EMPTY',
  ],
  ...[
    '=',
    '!=',
    '~',
    '(',
    ')',
    '((',
    '))',
    ',',
    '"',
    "'",
    '\\',
    '\\"',
    "\\'",
    '\\u0022',
    '\\u0027',
    '&&',
    '||',
    '!',
    '|',
  ],
  ...['DEV', 'OPS', 'OPS-1', 'DEV-1', '10000', '10001', 'Operations', '"OPS"', "'OPS'", '"x"', 'Done', 'linkedIssues'],
  ...['ORDER BY', 'key', 'ASC', 'DESC', '\n', '\t', '\0', '\u200b', '\u2028', '\ud800', ';', '--', '/*', '{', '['],
);

const values = fc.constantFrom(
  'DEV',
  '"DEV"',
  'Bug',
  'OPS',
  "'OPS'",
  'DEV-1',
  'OPS-1',
  '20004',
  '20001',
  String.raw`"a\\"`,
  String.raw`'\\\''`,
  '"a \\" b"',
  "'x'",
);
const clause = fc
  .tuple(
    fc.constantFrom('project', 'KEY', 'id', 'parent', '"epic link"', 'cf[10014]', 'status', 'summary', 'type'),
    fc.constantFrom('=', '!=', 'in', 'not in'),
    fc.array(values, { minLength: 1, maxLength: 3 }),
  )
  .map(([field, operator, operands]) =>
    operator.endsWith('in') ? `${field} ${operator} (${operands.join(', ')})` : `${field} ${operator} ${operands[0]}`,
  );
const { query } = fc.letrec<{ query: string }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small' },
    clause,
    fc
      .tuple(tie('query'), fc.constantFrom(' AND ', ' or ', ' && ', ' | '), tie('query'))
      .map((parts) => parts.join('')),
    tie('query').map((inner) => `NOT (${inner})`),
    tie('query').map((inner) => `(${inner})`),
  ),
}));

describe('JQL within projects', () => {
  it('stays within them, whatever pieces it is made of, as another reader of JQL sees it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 })), { maxLength: 14 }), async (parts) => {
        for (const jql of [parts.join(' '), parts.join('')]) {
          const written = await boundedOrRefused(jql);
          if (written !== null) expect(isBound(parseJql(written).tree)).toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('means within them what it meant alone, and names nothing beyond', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(query, async (jql) => {
        const written = await boundedOrRefused(jql);
        if (written === null) return;
        accepted++;
        const alone = parseJql(jql).tree;
        const within = parseJql(written).tree;
        if (!alone || !within) throw new Error('both say something');
        for (const issue of world.issues) {
          const meant = verdictOf(() => fits(world, alone, issue, 'UTC'));
          if (meant !== null && issue.project.key === 'DEV') expect(fits(world, within, issue, 'UTC')).toBe(meant);
          if (issue.project.key !== 'DEV') expect(verdictOf(() => fits(world, within, issue, 'UTC'))).not.toBe(true);
        }
        for (const { field, values: named } of clausesOf(within)) {
          const beyond = field.startsWith('cf') ? /^ops-/i : /^(ops|ops-1|20004)$/i;
          if (!['status', 'summary', 'type'].includes(field))
            expect(named.filter(({ text }) => beyond.test(text))).toEqual([]);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it('is written anew, in brackets of its own', async () => {
    expect(await bounded(`summary ~ 'it\\'s "so"' or status=Done order by status desc, key`)).toBe(
      'project in ("DEV") AND (("summary" ~ "it\'s \\"so\\"") OR ("status" = "Done")) ORDER BY "status" DESC, "key"',
    );
    expect(await bounded('created >= -7d and not assignee in (currentUser(), membersOf("a b"))')).toBe(
      'project in ("DEV") AND (("created" >= "-7d") AND (NOT ("assignee" IN (currentUser(), membersOf("a b"))))) ' +
        'ORDER BY updated DESC',
    );
    expect(await bounded('status was not in (Open, "To Do") before "2026/01/01" by currentUser()')).toBe(
      'project in ("DEV") AND ("status" WAS NOT IN ("Open", "To Do") BEFORE "2026/01/01" BY currentUser()) ' +
        'ORDER BY updated DESC',
    );
    expect(await bounded('cf[ 10016 ] > 3 AND priority changed FROM High TO "Low"')).toBe(
      'project in ("DEV") AND ((cf[10016] > 3) AND ("priority" CHANGED FROM "High" TO "Low")) ORDER BY updated DESC',
    );
    expect(await bounded(String.raw`summary ~ "a\\" OR summary ~ "\\\"(\t"`)).toBe(
      String.raw`project in ("DEV") AND (("summary" ~ "a\\") OR ("summary" ~ "\\\"(\t")) ORDER BY updated DESC`,
    );
    expect(await bounded('resolution is not empty')).toContain('("resolution" IS NOT EMPTY)');
    expect(await bounded(' ')).toBe('project in ("DEV") ORDER BY updated DESC');
    expect(await bounded('fixVersion = RC-1 AND labels = UTF-8')).toContain('"RC-1"');
  });

  it('is written within types as well, and within types alone', async () => {
    expect(await boundedJql('status = Done', bounds, ['Bug', 'A "b"'])).toBe(
      'project in ("DEV") AND issuetype in ("Bug", "A \\"b\\"") AND ("status" = "Done") ORDER BY updated DESC',
    );
    expect(jqlOfTypes('a = b OR c = d order by key', ['Bug'])).toBe(
      'issuetype in ("Bug") AND (("a" = "b") OR ("c" = "d")) ORDER BY "key"',
    );
    expect(jqlOfTypes('', ['Bug'])).toBe('issuetype in ("Bug") ORDER BY updated DESC');
  });

  it.each([
    ['status = "open', 'a text that does not end at character 10'],
    ["status = 'it", 'a text that does not end at character 10'],
    ['status = Done)', ') is not expected at character 14'],
    ['(status = Done', ') is expected, not the end, at character 15'],
    ['status = Done AND', 'the end is not expected at character 18'],
    ['status', 'an operator is expected, not the end, at character 7'],
    ['status = ', 'a value is expected, not the end, at character 10'],
    ['status = Done Open', 'Open is not expected at character 15'],
    ['status in ()', 'a value is expected, not ), at character 12'],
    ['status = "a\\x"', 'an escape that means nothing at character 12'],
    ['a = b\0', 'a control character or an invisible one at character 6'],
    ['a = "\u202e"', 'a control character or an invisible one at character 6'],
    ['a = "\\u0000"', 'an escape that means nothing at character 6'],
    ['issue.property[a].b = 1', '[ outside of quotes at character 15'],
    ['a = b -- c', '-- is not expected at character 7'],
    ['a = b; c', '; outside of quotes at character 6'],
    ['a = b ORDER', 'BY is expected, not the end, at character 12'],
    ['a = b ORDER BY', 'the end is not expected at character 15'],
    ['a = b ORDER BY key, (', '( is not expected at character 21'],
    [`${'('.repeat(60)}a = b${')'.repeat(60)}`, 'more than 50 brackets'],
    [`${'NOT '.repeat(60)}a = b`, 'more than 50 of NOT'],
  ])('says where it can not be read: %s', async (jql, text) => {
    await expect(bounded(jql)).rejects.toThrow(text);
  });

  it('has a length and a number of lookups', async () => {
    await expect(bounded('x'.repeat(10_001))).rejects.toThrow('longer than 10000');
    await expect(bounded(`a in (${'b,'.repeat(2_000)}c)`)).rejects.toThrow('more than 2000 parts');
    await expect(bounded(`id in (${'20001,'.repeat(20)}20001)`)).rejects.toThrow('more than 20 issues');
  });
});
