// Carries out the Dockerfile without a container engine: the same lines in folders of their own, then the product as
// its user on a tree that nobody may write to. Instructions it does not know are an error, so the two can't drift.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, until } from './support.mjs';

const repository = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const temporary = mkdtempSync(path.join(os.tmpdir(), 'container-steps-'));
chmodSync(temporary, 0o755);
const isRoot = process.getuid() === 0;

const instructions = readFileSync(path.join(repository, 'Dockerfile'), 'utf8')
  .replace(/^\s*#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '')
  .map((line) => ({ line, verb: line.split(/\s+/)[0], rest: line.replace(/^\S+\s+/, '') }));
const allowed = readFileSync(path.join(repository, '.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));

const declaredUser = instructions.findLast(({ verb }) => verb === 'USER')?.rest;
if (!/^[1-9]\d*:[1-9]\d*$/.test(declaredUser ?? '')) throw new Error('USER must name an ordinary user by numbers');
/** Without root there is only one user to be. */
const user = isRoot ? declaredUser : `${process.getuid()}:${process.getgid()}`;
const [uid, gid] = user.split(':').map(Number);

/** A stage: a folder that stands for the root of its file system, and what was declared. */
function newStage(name) {
  const root = path.join(temporary, name);
  mkdirSync(root);
  return { root, workdir: '/', environment: {}, volumes: [], command: null, health: null };
}

const started = new Set();
const stages = new Map();
let stage = null;
let image = null;

const inside = (file) => path.join(stage.root, path.resolve(stage.workdir, file));
const rooted = (text) => text.replace(/(?<=^|[\s=])\/[\w./-]+/g, (file) => path.join(stage.root, file));

const carryOut = {
  FROM(rest) {
    const [, base, name = `stage-${stages.size}`] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest) ?? [];
    if (!/^node:24-\w+-slim$/.test(base)) throw new Error(`${base} is not Node 24 on Debian slim`);
    stage = image = newStage(name);
    stages.set(name, stage);
  },
  WORKDIR(rest) {
    stage.workdir = rest;
    mkdirSync(inside('.'), { recursive: true });
  },
  COPY(rest) {
    const words = rest.split(/\s+/);
    const from = words[0].startsWith('--from=') ? words.shift().slice('--from='.length) : null;
    const target = words.pop();
    for (const source of words) {
      if (from !== null) {
        copy(path.join(stages.get(from).root, source), target);
      } else {
        if (!allowed.includes(source.replace(/^\.\//, ''))) throw new Error(`.dockerignore leaves out ${source}`);
        copyTracked(source, target);
      }
    }
  },
  RUN(rest) {
    const command = rooted(rest).replaceAll(declaredUser, user);
    execFileSync('sh', ['-ec', command], {
      cwd: inside('.'),
      env: { PATH: process.env.PATH, HOME: os.homedir(), ...stage.environment },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  },
  ENV(rest) {
    for (const [, name, value] of rest.matchAll(/(\w+)=(\S+)/g)) stage.environment[name] = rooted(value);
  },
  VOLUME(rest) {
    stage.volumes.push(rest);
  },
  EXPOSE(rest) {
    if (rest !== stage.environment.PORT) throw new Error(`EXPOSE ${rest} is not PORT`);
  },
  USER() {},
  HEALTHCHECK(rest) {
    stage.health = JSON.parse(/\bCMD\s+(\[.*\])$/.exec(rest)[1]);
  },
  CMD(rest) {
    stage.command = JSON.parse(rest);
  },
};

function copy(source, target) {
  const isFolder = statSync(source).isDirectory();
  if (isFolder && target.endsWith('/')) throw new Error(`COPY would empty the folder ${source} into ${target}`);
  const destination = target.endsWith('/') ? path.join(inside(target), path.basename(source)) : inside(target);
  mkdirSync(path.dirname(destination), { recursive: true });
  execFileSync('cp', ['-a', '-T', source, destination]);
}

/** As in a clone: what git does not track is not there. */
function copyTracked(source, target) {
  if (!statSync(path.join(repository, source)).isDirectory()) return copy(path.join(repository, source), target);
  const tracked = execFileSync('git', ['ls-files', '-z', '--', source], { cwd: repository, encoding: 'utf8' });
  for (const file of tracked.split('\0').filter(Boolean)) {
    copy(path.join(repository, file), path.join(target, path.relative(source, file)));
  }
}

/** A program in the image, as its user, with its environment and nothing else. */
function inImage([program, ...parameters], environment = {}) {
  const switched = isRoot
    ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--', program]
    : [program];
  const [file, ...first] = switched;
  return [
    file,
    [...first, ...parameters],
    {
      cwd: path.join(image.root, image.workdir),
      env: { PATH: process.env.PATH, TMPDIR: '/no/such/folder', ...image.environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  ];
}

async function start(environment) {
  const child = spawn(...inImage(image.command, environment));
  started.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  const isHealthy = async () => {
    if (child.exitCode !== null) throw new Error(`the product ended:\n${output}`);
    const check = spawn(...inImage(image.health, environment));
    return (await once(check, 'exit'))[0] === 0;
  };
  const began = Date.now();
  await until(isHealthy, 60_000, () => `the health check did not pass:\n${output}`);
  console.log(`  healthy after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return {
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      const code = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 30_000, 'late').unref())]);
      if (code !== 0) throw new Error(`SIGTERM ended in ${code}:\n${output}`);
      console.log('  SIGTERM: exit 0');
    },
  };
}

async function logIn(port, password) {
  const base = `http://127.0.0.1:${port}/api/v1/auth`;
  const login = await fetch(`${base}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password }),
  });
  if (login.status !== 200) throw new Error(`login answered ${login.status}: ${await login.text()}`);
  const { access_token: token } = await login.json();
  const me = await fetch(`${base}/me`, { headers: { authorization: `Bearer ${token}` } });
  if (me.status !== 200) throw new Error(`me answered ${me.status}`);
  console.log(`  logged in as ${(await me.json()).username}`);
}

function expectThat(holds, text) {
  if (!holds) throw new Error(`not so: ${text}`);
  console.log(`  ${text}`);
}

try {
  for (const { line, verb, rest } of instructions) {
    console.log(line);
    if (!Object.hasOwn(carryOut, verb)) throw new Error(`${verb}: teach .ci/container-steps.mjs what it does`);
    carryOut[verb](rest);
  }

  console.log('The tree is read-only now');
  const application = path.join(image.root, image.workdir);
  execFileSync('chmod', ['-R', 'a-w', application]);
  const [find, ...rest] = inImage(['find', application, '-writable', '-not', '-type', 'l']);
  expectThat(spawnSync(find, ...rest).stdout.length === 0, 'its user can write nothing in it');
  const { packages } = JSON.parse(readFileSync(path.join(repository, 'package-lock.json'), 'utf8'));
  const unwanted = Object.keys(packages).filter(
    (name) => packages[name].dev && existsSync(path.join(application, name)),
  );
  expectThat(unwanted.length === 0, 'development dependencies are not in it');

  const port = await freePort();
  const settings = {
    PORT: String(port),
    JWT_SECRET: randomBytes(32).toString('base64'),
    ENCRYPTION_KEYS: `first:${randomBytes(32).toString('base64')}`,
  };
  console.log(`Started as ${user}`);
  const [program, parameters, options] = inImage(image.command, { PORT: settings.PORT });
  const bare = spawnSync(program, parameters, { ...options, encoding: 'utf8', timeout: 60_000 });
  expectThat(bare.status === 78 && /JWT_SECRET/.test(bare.stderr), 'without secrets it does not start and says why');

  const first = await start(settings);
  const password = /Password\s+(\S+)/.exec(first.output())?.[1];
  await logIn(port, password);
  await first.stop();
  const volume = path.join(image.root, image.volumes[0]);
  expectThat(!existsSync(path.join(volume, 'postgres/data/postmaster.pid')), 'the embedded PostgreSQL has stopped too');

  console.log('Started again on the same volume');
  const second = await start(settings);
  await logIn(port, password);
  await second.stop();
  console.log('The steps of the Dockerfile work');
} finally {
  // After a failure: it takes its PostgreSQL with it.
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  execFileSync('chmod', ['-R', 'u+w', temporary]);
  rmSync(temporary, { recursive: true, force: true });
}
