import autocannon from 'autocannon';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';

const LIMIT_MS = 60_000;
/** Clock ticks a second in /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS = 100;
const children = [];

/** Starts a script of this folder in a process of its own; resolves when it says where it listens. */
export async function start(script, env = {}) {
  const child = fork(new URL(script, import.meta.url), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // As npm start has it.
    execArgv: ['--max-semi-space-size=64'],
  });
  children.push(child);
  const [{ port }] = await Promise.race([once(child, 'message'), failed(child, script)]);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid };
}

/** The most memory in MiB that the process had while this was done; NaN where there is no /proc. */
export async function peakMemory({ pid }, work) {
  const now = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
  let peak = NaN;
  const look = () => {
    try {
      peak = Math.max(now(), peak || 0);
    } catch {
      // Not on this system.
    }
  };
  const timer = setInterval(look, 50);
  await work();
  clearInterval(timer);
  look();
  return peak;
}

/** Ends every process that was started here, and only those. */
export async function stopAll() {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 30_000);
      await once(child, 'exit');
      clearTimeout(killer);
    }),
  );
}

/** One run against one server: requests a second, median latency in ms, CPU of the server process per request in us. */
export async function load({ url, pid }, { path, method = 'GET', token, body, headers, connections, seconds }) {
  const before = cpuSeconds(pid);
  const result = await autocannon({
    url: url + path,
    method,
    connections,
    duration: seconds,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    body: body ? JSON.stringify(body) : undefined,
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}${path}: ${result.non2xx} refused, ${result.errors} failed`);
  const cpu = cpuSeconds(pid) - before;
  return { perSecond: result.requests.average, p50: result.latency.p50, cpu: (cpu * 1e6) / result.requests.total };
}

/**
 * Median latency in ms of each of these, one at a time, in turn: what differs is the work alone. autocannon counts in whole
 * milliseconds, which is too coarse for it.
 */
export async function latencies(works, seconds) {
  const samples = works.map(() => []);
  for (const end = Date.now() + seconds * 1_000; Date.now() < end;) {
    for (const [index, work] of works.entries()) {
      const started = performance.now();
      await work();
      samples[index].push(performance.now() - started);
    }
  }
  return samples.map(median);
}

/** One request at a time on a connection that is kept alive. */
export function poster(url, { path, body, token, headers }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return () => post(agent, url + path, token, body, headers);
}

function post(agent, url, token, body, more) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more };
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`${url}: ${answer.statusCode}`)),
      );
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

export function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function failed(child, script) {
  await Promise.race([once(child, 'exit'), new Promise((resolve) => setTimeout(resolve, LIMIT_MS).unref())]);
  throw new Error(`${script} did not start`);
}

function cpuSeconds(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return NaN;
  }
}
