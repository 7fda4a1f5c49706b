import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(__dirname, '../..');
const CRUISE = path.join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
const CONFIG = path.join(ROOT, '.dependency-cruiser.cjs');

interface Violation {
  rule: string;
  from: string;
  to: string;
}

function violationsIn(folder: string, sources: string[]): Violation[] {
  const run = spawnSync(process.execPath, [CRUISE, ...sources, '--config', CONFIG, '--output-type', 'json'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 100 * 1024 * 1024,
  });
  if (!run.stdout.startsWith('{')) throw new Error(run.stderr || run.stdout);
  const { summary } = JSON.parse(run.stdout) as {
    summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] };
  };
  // Nothing looked at would be nothing found.
  expect(summary.totalCruised).toBeGreaterThan(sources.length);
  return summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to }));
}

test('the product keeps the dependency rule', () => {
  expect(violationsIn(ROOT, ['src', 'migrations'])).toEqual([]);
});

describe('the dependency rule catches', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'dependency-rule-'));
  const found: Violation[] = [];

  /** Who imports what, and the rules that this breaks. */
  const samples: [from: string, to: string, broken: string[]][] = [
    ['src/modules/registry/a.service.ts', '../tools/b.service.js', ['calls-go-left:registry']],
    ['src/modules/identity/a.service.ts', '../audit/b.service.js', []],
    ['src/modules/audit/a.service.ts', '../identity/b.service.js', ['calls-go-left:audit']],
    ['src/modules/mappings/a.service.ts', '../realtime/b.module.js', ['calls-go-left:mappings']],
    ['src/modules/registry/c.service.ts', '../tools/tools.events.js', []],
    ['src/modules/tools/c.service.ts', '../registry/inner.js', ['only-the-front-door']],
    ['src/modules/tools/d.service.ts', '../registry/type.entity.js', ['foreign-entity-only-from-entity']],
    ['src/modules/tools/tool.entity.ts', '../registry/type.entity.js', []],
    ['src/modules/tools/e.entity.ts', './b.service.js', ['entity-knows-no-service']],
    ['src/modules/tools/f.service.ts', './tools.controller.js', ['service-knows-no-controller']],
    ['src/modules/tools/g.events.ts', './inner.js', ['events-are-leaves']],
    ['src/modules/tools/h.service.ts', '../index.js', ['only-the-app-lists-modules']],
    ['src/modules/billing/billing.module.ts', '../billing/b.service.js', ['a-rung-for-every-module']],
    ['src/platform/http/a.ts', '../../modules/tools/b.service.js', ['platform-knows-no-feature']],
    ['src/platform/http/b.ts', '../../mcp/pool.js', ['platform-knows-no-feature']],
    ['src/mcp/a.ts', '../modules/tools/b.service.js', ['mcp-and-providers-know-no-module']],
    ['src/mcp/b.ts', '../providers/jira/server.js', ['mcp-knows-no-provider']],
    ['src/providers/jira/a.ts', '../../modules/tools/b.service.js', ['mcp-and-providers-know-no-module']],
    ['src/providers/jira/b.ts', '../../mcp/pool.js', []],
    ['src/platform/http/c.ts', '../../../test/support/app.js', ['product-knows-no-test']],
    ['src/platform/http/c.spec.ts', '../../../test/support/app.js', []],
    ['src/platform/http/d.ts', 'dev-only', ['declared-dependencies-only']],
    ['src/platform/http/e.ts', 'not-declared', ['declared-dependencies-only']],
    ['src/platform/http/f.ts', 'declared', []],
    ['src/platform/http/g.ts', './nowhere.js', ['every-import-resolves']],
    ['src/platform/cycle/a.ts', './b.js', ['no-cycles']],
    // A cycle is told once.
    ['src/platform/cycle/b.ts', './a.js', []],
  ];

  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  };

  beforeAll(() => {
    for (const [from, to] of samples) {
      const target = path.join(path.dirname(from), to).replace(/\.js$/, '.ts');
      if (to.startsWith('.') && to !== './nowhere.js') write(target, 'export const value = 1;\n');
    }
    for (const [from, to] of samples) {
      write(from, `import { value } from '${to}';\nexport const own = value;\n`);
    }
    for (const name of ['declared', 'dev-only', 'not-declared']) {
      write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
      write(`node_modules/${name}/index.js`, 'exports.value = 1;\n');
    }
    write('package.json', JSON.stringify({ dependencies: { declared: '1' }, devDependencies: { 'dev-only': '1' } }));
    symlinkSync(path.join(ROOT, 'tsconfig.json'), path.join(folder, 'tsconfig.json'));
    found.push(...violationsIn(folder, ['src']));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(samples)('%s importing %s: %j', (from, _to, broken) => {
    const rules = found.filter((violation) => violation.from === from).map(({ rule }) => rule);
    expect([...new Set(rules)].sort()).toEqual([...broken].sort());
  });
});
