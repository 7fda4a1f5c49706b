// Runs every query of the dashboard and every alert against a real Prometheus that scrapes the built product under load: each
// must have data. What can be seen of the dashboard without Grafana is checked as well.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { prepareLoad } from './prometheus-load.mjs';
import { freePort, until } from './support.mjs';

const FOLDER = 'deploy/prometheus';
const JOB = 'mcp-control-plane';
const LOAD_MS = 14_000;
/** In place of what Grafana puts there. */
const VARIABLES = { $__rate_interval: '6s', $__interval: '1s', $__range: '1m', $job: JOB, $instance: '.*' };
/** What the load does not touch, so that zero is all there is to see. */
const QUIET = [
  'Waiting for the database',
  'Waiting for a connection',
  'Batches that failed',
  'Age of the oldest due job',
];
const GRID_COLUMNS = 24;
const PASSWORD = 'only for the load of this check';

if (spawnSync('promtool', ['--version']).error) install();
for (const args of [
  ['check', 'rules', `${FOLDER}/alerts.yaml`],
  ['check', 'config', `${FOLDER}/prometheus.yml`],
  ['test', 'rules', `${FOLDER}/alerts.test.yaml`],
])
  execFileSync('promtool', args, { stdio: 'inherit' });

const dashboard = JSON.parse(await readFile('deploy/grafana/dashboard.json', 'utf8'));
checkLayout(dashboard);

const folder = await mkdtemp(path.join(os.tmpdir(), 'prometheus-check-'));
const children = [];
let load;
try {
  const [product, prometheus] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  await startProduct(product);
  load = await prepareLoad(product, PASSWORD);
  await startPrometheus(prometheus, new URL(product).host);
  // Counters move from what they were at the first scrape.
  await until(
    () => isScraped(prometheus),
    10_000,
    () => 'Prometheus does not reach the product',
  );
  const from = Date.now() / 1_000;
  const socket = await load.drive(LOAD_MS);
  const problems = [...(await runDashboard(prometheus, from)), ...(await runAlerts(prometheus))];
  socket.terminate();
  for (const problem of problems) console.log(problem);
  if (problems.length > 0) throw new Error(`${problems.length} problem(s)`);
} finally {
  await load?.end();
  for (const child of children.reverse()) {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
}

/** Of Debian; its service is not wanted, and does not start where no init runs. */
function install() {
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  execFileSync('apt-get', ['update', '-qq'], options);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'prometheus'], options);
}

async function startProduct(url) {
  const variables = {
    PORT: new URL(url).port,
    DATA_DIR: path.join(folder, 'data'),
    ADMIN_PASSWORD: PASSWORD,
    THROTTLE_AUTHENTICATED: '1000000',
    LOG_LEVEL: 'warn',
  };
  start(process.execPath, ['--enable-source-maps', 'dist/src/main.js'], { ...process.env, ...variables });
  await until(
    () => answers(`${url}/health/ready`),
    60_000,
    () => 'the product did not start',
  );
}

/** With the configuration that operators get, but for the address and the pace. */
async function startPrometheus(url, target) {
  await cp(`${FOLDER}/alerts.yaml`, path.join(folder, 'alerts.yaml'));
  const file = path.join(folder, 'prometheus.yml');
  const configuration = await readFile(`${FOLDER}/prometheus.yml`, 'utf8');
  await writeFile(file, configuration.replaceAll(/interval: \w+/g, 'interval: 1s').replace('127.0.0.1:3000', target));
  const { host } = new URL(url);
  const storage = `--storage.tsdb.path=${path.join(folder, 'tsdb')}`;
  start('prometheus', [`--config.file=${file}`, storage, `--web.listen-address=${host}`, '--log.level=warn']);
  await until(
    () => answers(`${url}/-/ready`),
    20_000,
    () => 'Prometheus did not start',
  );
}

function start(command, args, env = process.env) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  children.push(child);
  child.once('exit', (code) => {
    if (code) console.log(`${command} ended with ${code}`);
  });
}

async function answers(url) {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function isScraped(url) {
  const { result } = await ask(`${url}/api/v1/query?query=control_plane_build_info`, 'the version');
  return result.length > 0;
}

/** @returns what is wrong with the data */
async function runDashboard(url, from) {
  const problems = [];
  let queries = 0;
  for (const { title, targets = [] } of dashboard.panels) {
    let hasMoved = false;
    for (const { expr } of targets) {
      queries++;
      const values = await valuesOf(url, filled(expr), from);
      if (values.length === 0) problems.push(`"${title}" has no data: ${expr}`);
      hasMoved ||= values.some((value) => value !== 0);
    }
    if (targets.length > 0 && !hasMoved && !QUIET.includes(title)) problems.push(`"${title}" is zero all the time`);
  }
  for (const { name, type, query } of dashboard.templating.list.filter((each) => each.type === 'query')) {
    queries++;
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(query.query);
    const values = await valuesOf(url, `group by (${label}) (${filled(selector)})`, from);
    if (values.length === 0) problems.push(`the ${type} variable ${name} has no values`);
  }
  console.log(`${queries} queries of the dashboard`);
  return problems;
}

/** The numbers of all series over the time of the load. */
async function valuesOf(url, query, from) {
  const span = { query, start: from, end: Date.now() / 1_000, step: 1 };
  const { result } = await ask(`${url}/api/v1/query_range?${new URLSearchParams(span)}`, query);
  return result.flatMap(({ values }) => values.map(([, value]) => Number(value))).filter(Number.isFinite);
}

/** Prometheus has evaluated them all the time; one about a metric that nobody has would be silent for ever. */
async function runAlerts(url) {
  const { groups } = await ask(`${url}/api/v1/rules`, 'the rules');
  const rules = groups.flatMap((group) => group.rules);
  const { length } = rules.filter(({ type }) => type === 'alerting');
  if (length === 0) return ['there are no alerts'];
  const problems = rules.flatMap(({ name, health, lastError }) =>
    health === 'ok' ? [] : [`${name}: ${health} ${lastError}`],
  );
  const tests = await readFile(`${FOLDER}/alerts.test.yaml`, 'utf8');
  for (const { name } of rules) if (!tests.includes(`"${name}"`)) problems.push(`${name} never fires in a test`);
  const known = new Set(await ask(`${url}/api/v1/label/__name__/values`, 'the names of metrics'));
  for (const { name, query } of rules) {
    for (const [, metric] of query.matchAll(/([a-z_]+)\{/g))
      if (!known.has(metric)) problems.push(`${name}: nobody has ${metric}`);
  }
  const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
  if (firing.length > 0) problems.push(`firing on a product that is well: ${firing.join()}`);
  console.log(`${length} alerts`);
  return problems;
}

async function ask(address, what) {
  const answer = await (await fetch(address)).json();
  if (answer.status !== 'success') throw new Error(`${what}: ${answer.error}`);
  return answer.data;
}

function filled(expression) {
  const text = Object.entries(VARIABLES).reduce((some, [name, value]) => some.replaceAll(name, value), expression);
  if (text.includes('$')) throw new Error(`a variable that nobody fills: ${expression}`);
  return text;
}

/** @throws where panels lie over each other, have no unit or ask another data source than the one that is chosen */
function checkLayout({ panels, templating }) {
  const names = templating.list.map(({ name }) => name);
  const problems = ['datasource', 'job', 'instance']
    .filter((name) => !names.includes(name))
    .map((name) => `no ${name}`);
  if (new Set(panels.map(({ id }) => id)).size < panels.length) problems.push('two panels have one id');
  const cells = new Map();
  for (const { title, type, gridPos: place, targets = [], datasource, fieldConfig } of panels) {
    if (place.x + place.w > GRID_COLUMNS) problems.push(`"${title}" is too wide`);
    for (let x = place.x; x < place.x + place.w; x++)
      for (let y = place.y; y < place.y + place.h; y++) {
        const cell = `${x} ${y}`;
        if (cells.has(cell)) problems.push(`"${title}" lies over "${cells.get(cell)}"`);
        cells.set(cell, title);
      }
    if (type === 'row') continue;
    if (!fieldConfig.defaults.unit) problems.push(`"${title}" has no unit`);
    if (targets.length === 0) problems.push(`"${title}" asks nothing`);
    for (const asked of [{ datasource, expr: '$instance' }, ...targets]) {
      if (asked.datasource?.uid !== '${datasource}') problems.push(`"${title}" has a data source of its own`);
      if (!asked.expr.includes('$instance')) problems.push(`"${title}" is not of the chosen instances: ${asked.expr}`);
    }
  }
  if (problems.length > 0) throw new Error([...new Set(problems)].join('\n'));
  console.log(`${panels.length} panels`);
}
