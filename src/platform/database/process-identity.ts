import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/**
 * Says which process stands behind a pid: a text of letters and digits that differs when the pid was given to another
 * program since, or null when nothing runs there. A zombie counts as nothing: containers without an init keep them.
 * On Linux and macOS the text is the start time of the process; Windows offers none cheaply, so it is constant there.
 */
export async function processIdentity(pid: number): Promise<string | null> {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  if (process.platform === 'linux') return linuxIdentity(pid);
  if (process.platform === 'win32') return signalReaches(pid) ? 'running' : null;
  return signalReaches(pid) ? unixIdentity(pid) : null;
}

/** proc(5): the name of the program may hold spaces and brackets, so fields are counted after its last bracket. */
async function linuxIdentity(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? null : (startTicks ?? null);
  } catch {
    return null;
  }
}

function unixIdentity(pid: number): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { env: { LC_ALL: 'C' } }, (error, output) => {
      const text = output.trim();
      resolve(error || text === '' || text.startsWith('Z') ? null : text.replace(/^\S+/, '').replace(/\W/g, ''));
    });
  });
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
