import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(__dirname, '../..');
const MODULES = path.join(ROOT, 'src/modules');

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const ladder = [
  ...(/const ladder = \[(.*?)\]/s.exec(read('.dependency-cruiser.cjs'))?.[1] ?? '').matchAll(/'(.+?)'/g),
].map(([, name]) => name ?? '');
const folders = readdirSync(MODULES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test('every module has its rung, and the only list of modules is in ladder order', () => {
  const list = read('src/modules/index.ts');
  const imports = new Map(
    [...list.matchAll(/import \{ (\w+) \} from '\.\/([\w-]+)\//g)].map(([, name, at]) => [name, at]),
  );
  const listed = (/MODULES = \[([^\]]*)\]/.exec(list)?.[1] ?? '').match(/\w+/g)?.map((name) => imports.get(name));
  expect(listed).toEqual(ladder.filter((name) => folders.includes(name)));
  expect(listed).toHaveLength(folders.length);
});

test.each(['CONTRIBUTING.md', 'docs/adr/0002-the-ladder.md'])('%s shows the ladder as it is', (file) => {
  expect(read(file)).toContain(ladder.join(' | '));
});

test('modules export services, never repositories', () => {
  const exporting = folders.filter((name) =>
    /exports: \[[^\]]*TypeOrmModule/.test(read(`src/modules/${name}/${name}.module.ts`)),
  );
  expect(exporting).toEqual([]);
});
