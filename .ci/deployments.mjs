// Checks deploy/ as far as that goes without a container engine and without a cluster: the Compose file against the schema of
// the specification, what Kustomize renders against the types of Kubernetes, every name in them against the other end, the
// settings by the product itself; then .ci/balancer.mjs runs the load balancer in front of real processes.
import 'reflect-metadata';
import { Ajv } from 'ajv';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { loadEnvironment } from '../dist/src/platform/config/load-environment.js';
import { describedVariables } from '../dist/src/platform/config/variable.js';
import { tryBalancer } from './balancer.mjs';
import { interpolate, readVariables } from './compose-variables.mjs';
import { kubernetesProblems } from './kubernetes-types.mjs';

const IMAGE = 'mcp-control-plane';
/** Seconds from SIGTERM: the drain of src/lifecycle.ts, and 3 for each of the two things closed after it. */
const LONGEST_STOP = 25 + 2 * 3;
const CONFIGURATION = 'deploy/kubernetes/haproxy.cfg';

const readme = readFileSync('README.md', 'utf8');
const haproxy = readFileSync(CONFIGURATION, 'utf8');
const dockerfile = Object.fromEntries(
  [...readFileSync('Dockerfile', 'utf8').matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) =>
    line.split(' ').map((pair) => pair.split('=')),
  ),
);
const listened = [...haproxy.matchAll(/^ *bind :(\d+)/gm)].map(([, port]) => Number(port));

execFileSync('.ci/machine-balancer', { stdio: ['ignore', 'inherit', 'inherit'] });
const folder = mkdtempSync(path.join(os.tmpdir(), 'deployments-'));
try {
  const secrets = secretsOfReadme();
  const compose = checkCompose(secrets);
  await checkKubernetes();
  for (const certificate of ['', makeCertificate()]) {
    const env = { PATH: process.env.PATH, REPLICAS: 'replicas:3000', CERTIFICATE: certificate };
    execFileSync('/usr/sbin/haproxy', ['-c', '-f', CONFIGURATION], { env, stdio: 'inherit' });
  }
  await tryBalancer({
    folder,
    certificate: path.join(folder, 'tls.pem'),
    configuration: haproxy,
    environment: { ...dockerfile, ...given(compose.services['replica-1'].environment) },
    secrets,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** As somebody gets them who follows the README. */
function secretsOfReadme() {
  const [, commands] = /^```bash compose-secrets\n(.*?)^```$/ms.exec(readme) ?? [];
  expectThat(commands !== undefined, 'the README says how to make the secrets');
  execFileSync('bash', ['-euc', commands], { cwd: folder, stdio: 'inherit' });
  return readVariables(readFileSync(path.join(folder, 'control-plane.env'), 'utf8'));
}

function checkCompose(secrets) {
  const text = parse(readFileSync('deploy/compose.yaml', 'utf8'), { merge: true });
  for (const name of Object.keys(secrets)) {
    const others = { ...secrets, [name]: '' };
    expectThrow(() => interpolate(text, others), `compose.yaml does without ${name}`);
  }
  const compose = interpolate(text, secrets);

  // The linter brings the schema of the specification along; its opinions are not asked.
  const linter = path.dirname(createRequire(import.meta.url).resolve('dclint/package.json'));
  const schema = JSON.parse(readFileSync(path.join(linter, 'schemas/compose.schema.json'), 'utf8'));
  const isCompose = new Ajv({ strict: false, validateFormats: false, validateSchema: false }).compile(schema);
  expectThat(isCompose(compose), 'compose.yaml fits the Compose specification', isCompose.errors);
  const broken = structuredClone(compose);
  broken.services.balancer.read_onyl = true;
  expectThat(!isCompose(broken), 'a copy with a word of no meaning does not');

  const services = Object.entries(compose.services);
  const ours = services.filter(([, { image }]) => image === IMAGE);
  for (const [name, service] of ours) checkProduct(`${name} of compose.yaml`, given(service.environment));
  for (const [name, service] of services.filter(([other]) => other !== 'postgres')) {
    const isHardened =
      service.read_only &&
      service.cap_drop?.includes('ALL') &&
      service.security_opt?.includes('no-new-privileges:true');
    expectThat(isHardened, `${name} can neither write nor get rights`);
    for (const volume of [...(service.volumes ?? [])]) {
      const file = path.resolve('deploy', volume.split(':')[0]);
      expectThat(existsSync(file), `${volume.split(':')[0]} of ${name} exists`);
    }
  }

  const { REPLICAS } = compose.services.balancer.environment;
  const [alias, port] = REPLICAS.split(':');
  const replicas = ours.filter(([, service]) => service.networks.front?.aliases?.includes(alias));
  expectThat(replicas.length === 3, `three replicas answer to ${alias}`);
  expectThat(port === dockerfile.PORT, 'on the port of the image');
  for (const [name, service] of replicas) {
    expectThat(parseInt(service.stop_grace_period, 10) > LONGEST_STOP, `${name} has the time to stop`);
    const { subnet } = compose.networks.front.ipam.config[0];
    expectThat(service.environment.TRUSTED_PROXIES === subnet, `${name} believes its own network alone`);
  }
  const published = services.flatMap(([name, { ports = [] }]) => ports.map((entry) => [name, entry.split(':').at(-1)]));
  expectThat(
    published.every(([name, inside]) => name === 'balancer' && listened.includes(Number(inside))),
    'the balancer alone can be reached from outside, where it listens',
  );
  const roles = readFileSync('deploy/postgres-roles.sh', 'utf8');
  for (const url of [replicas[0][1].environment.DATABASE_URL, replicas[0][1].environment.DATABASE_ADMIN_URL]) {
    const { username, pathname } = new URL(url);
    expectThat(roles.includes(`CREATE ROLE ${username} `), `the role ${username} is made`);
    expectThat(roles.includes(`CREATE DATABASE ${pathname.slice(1)} `), `so is its database`);
  }
  return compose;
}

async function checkKubernetes() {
  const rendered = execFileSync('kubectl', ['kustomize', 'deploy/kubernetes'], { encoding: 'utf8' });
  const objects = parseAllDocuments(rendered).map((document) => document.toJS());
  const find = (kind, name) => objects.find((object) => object.kind === kind && object.metadata.name === name);
  const broken = brokenCopies(objects.find(({ kind }) => kind === 'Deployment'));
  const problems = await kubernetesProblems([...objects, ...broken.map(({ copy }) => copy)]);
  expectNone(problems.slice(0, objects.length).flat(), `${objects.length} objects fit the types of Kubernetes`);
  for (const [index, { title }] of broken.entries()) {
    expectThat(problems[objects.length + index].length > 0, `${title} would be found`);
  }
  expectThat(!objects.some(({ kind }) => kind === 'Secret'), 'no Secret is among them');

  const first = /--selector '([\w./]+) in \((\w+), (\w+)\)'/.exec(readme);
  const applied = objects.filter(({ metadata: { labels } }) => first.slice(2).includes(labels[first[1]]));
  const kinds = applied.map(({ kind }) => kind).sort();
  expectThat(kinds.join() === 'ConfigMap,ConfigMap,Job', 'settings and the Job are what is applied first', kinds);

  const workloads = objects.filter(({ spec }) => spec?.template?.spec?.containers);
  const podsOf = (selector) => {
    const wanted = Object.entries(selector.matchLabels ?? selector);
    const found = workloads.filter(({ spec }) =>
      wanted.every(([key, value]) => spec.template.metadata.labels[key] === value),
    );
    expectThat(found.length === 1, `${wanted.map(([, value]) => value).join(' ')} selects one workload`);
    return found[0];
  };
  const ports = (workload) => workload.spec.template.spec.containers.flatMap(({ ports: list = [] }) => list);
  const expectPort = (workload, port, title) =>
    expectThat(
      ports(workload).some(({ name, containerPort }) => port === name || port === containerPort),
      `${title}: ${workload.metadata.name} has the port ${port}`,
    );

  for (const workload of workloads) checkPod(workload, find, expectPort);
  for (const { kind, metadata, spec } of objects) {
    if (kind === 'Deployment') podsOf(spec.selector);
    if (kind === 'Service')
      for (const { targetPort } of spec.ports) expectPort(podsOf(spec.selector), targetPort, metadata.name);
    if (kind === 'PodDisruptionBudget')
      expectThat(podsOf(spec.selector) === replicas(), 'the budget is of the replicas');
    if (kind === 'NetworkPolicy') {
      expectThat(podsOf(spec.podSelector) === replicas(), 'the policy is of the replicas');
      for (const { from, ports: open } of spec.ingress) {
        for (const { podSelector } of from) podsOf(podSelector);
        for (const { port } of open) expectPort(replicas(), port, metadata.name);
      }
    }
    if (kind === 'HorizontalPodAutoscaler') {
      expectThat(
        find(spec.scaleTargetRef.kind, spec.scaleTargetRef.name) === replicas(),
        'replicas are what is scaled',
      );
      expectThat(spec.minReplicas === 3, 'three at least');
      const places = Number(/server-template \w+ (\d+)/.exec(haproxy)[1]);
      const surge = replicas().spec.strategy.rollingUpdate.maxSurge;
      expectThat(places > spec.maxReplicas + surge, 'the balancer has a place for each');
    }
  }
  function replicas() {
    return find('Deployment', 'control-plane');
  }

  const balancer = find('Deployment', 'control-plane-balancer').spec.template.spec.containers[0];
  const address = balancer.env.find(({ name }) => name === 'REPLICAS').value;
  const [, service, port] = /^([\w-]+)\.\$\(NAMESPACE\)\.svc\.cluster\.local:(\d+)$/.exec(address);
  const headless = find('Service', service).spec;
  expectThat(
    headless.clusterIP === 'None' && podsOf(headless.selector) === replicas(),
    'the balancer finds each replica',
  );
  expectThat(
    port === dockerfile.PORT && ports(replicas())[0].containerPort === Number(port),
    'on the port of the image',
  );
  for (const { containerPort } of balancer.ports) {
    expectThat(listened.includes(containerPort), `the balancer listens on ${containerPort}`);
  }
}

/** What a checker that checks nothing would let pass. */
function brokenCopies(deployment) {
  const faults = [
    ['an unknown field', ({ spec }) => (spec.template.spec.containers[0].livenesProbe = {})],
    ['a number that is a text', ({ spec }) => (spec.minReadySeconds = 'soon')],
    ['a value out of a list', ({ spec }) => (spec.template.spec.restartPolicy = 'Sometimes')],
    ['a missing field', ({ spec }) => delete spec.selector],
    ['a version that is not there', (object) => (object.apiVersion = 'apps/v3')],
  ];
  return faults.map(([title, spoil]) => {
    const copy = structuredClone(deployment);
    spoil(copy);
    return { title, copy };
  });
}

function checkPod({ metadata: { name }, spec: { template } }, find, expectPort) {
  const pod = template.spec;
  const workload = { metadata: { name }, spec: { template } };
  const isHardened = ({ securityContext: own }) =>
    own?.readOnlyRootFilesystem && !own.allowPrivilegeEscalation && own.capabilities.drop.includes('ALL');
  expectThat(
    pod.securityContext.runAsNonRoot &&
      pod.securityContext.seccompProfile.type === 'RuntimeDefault' &&
      pod.automountServiceAccountToken === false &&
      pod.containers.every(isHardened),
    `${name} can neither write nor get rights`,
  );
  for (const { configMap } of pod.volumes ?? []) {
    if (configMap) expectThat(find('ConfigMap', configMap.name), `the files of ${name} are there`);
  }
  for (const container of pod.containers) {
    for (const { httpGet } of ['startupProbe', 'readinessProbe', 'livenessProbe'].map((key) => container[key] ?? {})) {
      if (httpGet) expectPort(workload, httpGet.port, `probe ${httpGet.path}`);
    }
    if (!container.image.includes(IMAGE)) continue;
    expectThat(container.image !== IMAGE, `the image of ${name} is replaced`);
    checkProduct(name, environmentOf(container, find));
    if (container.readinessProbe) {
      expectThat(pod.terminationGracePeriodSeconds > LONGEST_STOP, `${name} has the time to stop`);
    }
  }
}

/** Of a container, with what the README puts into its Secret. */
function environmentOf(container, find) {
  const environment = {};
  for (const { configMapRef } of container.envFrom ?? []) {
    const settings = find('ConfigMap', configMapRef.name);
    expectThat(settings, `the settings of ${container.name} are there`);
    Object.assign(environment, settings.data);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (!valueFrom) environment[name] = value;
    const { secretKeyRef } = valueFrom ?? {};
    if (!secretKeyRef || secretKeyRef.optional) continue;
    const made = new RegExp(
      `create secret generic ${secretKeyRef.name} (?:\\\\\\n|[^\\n])*--from-literal=${secretKeyRef.key}=`,
    );
    expectThat(made.test(readme), `the README makes ${secretKeyRef.key}`);
    environment[name] = {
      JWT_SECRET: 'q83hd72jx0cmw95rnbv61zkty4lpas8eu',
      ENCRYPTION_KEYS: `first:${Buffer.alloc(32, 7).toString('base64')}`,
    }[secretKeyRef.key];
    environment[name] ??= 'postgres://name:password@database.example.com/name';
  }
  return environment;
}

/** The product itself says whether it would start. */
function checkProduct(title, environment) {
  const known = describedVariables().map(({ name }) => name);
  expectNone(
    Object.keys(environment).filter((name) => !known.includes(name)),
    `every variable of ${title} is one of the product`,
  );
  const { NODE_ENV } = loadEnvironment({ ...dockerfile, ...environment });
  expectThat(NODE_ENV === 'production', `the product takes the settings of ${title}`);
}

/** A key without a value is what Compose hands on if it has it, and it has none of these. */
function given(environment) {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== null));
}

/** Certificate and key in two files, as a Secret of Kubernetes is mounted. */
function makeCertificate() {
  const file = path.join(folder, 'tls.pem');
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-out', file, '-keyout', `${file}.key`], { stdio: 'ignore' });
  return file;
}

function expectThat(holds, text, details) {
  if (!holds) throw new Error(`not so: ${text}${details ? `\n${JSON.stringify(details, null, 2)}` : ''}`);
  console.log(`  ${text}`);
}

function expectNone(problems, text) {
  expectThat(problems.length === 0, text, problems);
}

function expectThrow(work, text) {
  try {
    work();
  } catch {
    return;
  }
  throw new Error(text);
}
