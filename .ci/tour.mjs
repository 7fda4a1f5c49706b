// Pastes the tour of the README into a shell, against the built product on an empty database, and compares what is
// printed with what the README shows. `...` there stands for anything.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { freePort, until } from './support.mjs';

/** As the README has them; others may be in use here. */
const PRODUCT_PORT = '3000';
const SERVER_PORTS = ['3901', '3902', '3903'];
const MARK = '---- end of block';

const ports = {};
for (const port of [PRODUCT_PORT, ...SERVER_PORTS]) ports[port] = await freePort();
const folder = await mkdtemp(path.join(os.tmpdir(), 'tour-'));
const blocks = blocksOf(await readFile('README.md', 'utf8'));

const product = spawn(process.execPath, ['--enable-source-maps', 'dist/src/main.js'], {
  env: { ...process.env, PORT: String(ports[PRODUCT_PORT]), DATA_DIR: path.join(folder, 'data') },
  stdio: ['ignore', 'pipe', 'pipe'],
});
const console_ = collect(product);
try {
  await until(
    () => console_.text.includes('"listening'),
    60_000,
    () => `the product did not start:\n${console_.text}`,
  );
  const [shown] = blocks.filter(({ kind }) => kind === 'text tour console');
  for (const line of shown.text.split('\n')) expectLine(console_.text.split('\n'), line);

  for (const page of ['docs', 'docs-json', 'health/ready', 'metrics']) {
    const { status } = await fetch(`http://127.0.0.1:${ports[PRODUCT_PORT]}/${page}`);
    if (status !== 200) throw new Error(`/${page} answers ${status}`);
  }

  const commands = blocks.filter(({ kind }) => kind === 'bash tour');
  const script = path.join(folder, 'tour.sh');
  await writeFile(script, commands.map(({ text }) => `${text}\necho '${MARK}'\n`).join(''));
  const shell = spawn('bash', ['--noprofile', '--norc', script], {
    env: { ...process.env, PORT: String(ports[PRODUCT_PORT]) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const printed = collect(shell);
  shell.stdin.end(`${/Password\s+(\S+)/.exec(console_.text)[1]}\n`);
  const [code] = await once(shell, 'close');
  const answers = printed.text.split(`${MARK}\n`);
  for (const [index, { text, answer }] of commands.entries()) {
    console.log(`${text}\n${answers[index]}`);
    if (answer !== undefined) compare(answers[index], answer);
  }
  if (code !== 0) throw new Error(`the shell ended in ${code}`);
  console.log('The tour shows what the README says');
} finally {
  product.kill('SIGTERM');
  if (product.exitCode === null) await once(product, 'exit');
  await rm(folder, { recursive: true, force: true });
  for (const log of ['everything.log', 'demo.log']) await rm(log, { force: true });
}

/** Code blocks of the tour; a command has the block that shows its answer. */
function blocksOf(readme) {
  const found = [];
  for (const [, kind, content] of readme.matchAll(/^```(\w+ tour[ \w]*)\n(.*?)\n```$/gms)) {
    const text = content.replaceAll(/(?<=:|PORT=|:-)(\d{4})\b/g, (port) => ports[port] ?? port);
    if (kind === 'text tour') found.at(-1).answer = text;
    else found.push({ kind, text });
  }
  if (found.length < 5) throw new Error('the README has no tour');
  return found;
}

function compare(printed, shown) {
  const lines = printed.trimEnd().split('\n');
  const expected = shown.split('\n');
  if (lines.length !== expected.length) throw new Error(`${lines.length} lines, not ${expected.length}:\n${printed}`);
  expected.forEach((line, index) => expectLine([lines[index]], line));
}

function expectLine(lines, shown) {
  const pattern = shown.split('...').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  if (lines.some((line) => new RegExp(`^${pattern.join('.*')}$`).test(line))) return;
  throw new Error(`the README shows\n${shown}\nand this was printed\n${lines.join('\n')}`);
}

function collect(child) {
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output.text += chunk));
  return output;
}
