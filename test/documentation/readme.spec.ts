import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkDeclarations } from '../../src/modules/registry/scopes-check.js';
import type { JsonSchema } from '../../src/modules/registry/transport.js';
import { refresh, refreshScopes } from './reference.js';

const ROOT = path.resolve(__dirname, '../..');
const README = path.join(ROOT, 'README.md');

test.each([
  ['README.md', refresh],
  ['docs/scopes.md', refreshScopes],
])('the tables of %s are those of the code: else run `npm run docs`', (name, refreshed) => {
  const file = path.join(ROOT, name);
  const document = readFileSync(file, 'utf8');
  const current = refreshed(document);
  if (process.env.npm_lifecycle_event === 'docs') writeFileSync(file, current);
  else expect(document).toBe(current);
});

test('a table that is not up to date shows', () => {
  const readme = readFileSync(README, 'utf8');
  expect(refresh(readme.replace('`validation_failed`', '`validation`'))).not.toContain('`validation`');
  expect(() => refresh(readme.replace('begin generated variables', ''))).toThrow('no place');
});

test('the declaration in docs/scopes.md is one that is accepted', () => {
  const document = readFileSync(path.join(ROOT, 'docs/scopes.md'), 'utf8');
  const example = JSON.parse(/```json\n(.*?)```/s.exec(document)?.[1] ?? '') as Record<string, JsonSchema>;
  expect(checkDeclarations(example, example.scoping_config_schema ?? {}).scopes).toHaveLength(1);
});

test.each(['README.md', 'CONTRIBUTING.md'])('files and scripts that %s names exist', (name) => {
  const text = readFileSync(path.join(ROOT, name), 'utf8');
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)].map(([, file]) => file ?? '');
  const files = [...text.matchAll(/`((?:src|test|docs|migrations|bench|\.ci)\/[\w./-]*\w)`/g)].map(
    ([, file]) => file ?? '',
  );
  const missing = [...links, ...files].filter((file) => !isThere(path.join(ROOT, file)));
  const unknown = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script ?? '').filter((s) => !scripts[s]);
  expect({ missing, unknown }).toEqual({ missing: [], unknown: [] });
});

function isThere(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EISDIR';
  }
}
