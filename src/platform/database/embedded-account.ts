import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';

/** The account PostgreSQL runs under where it may not be our own. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** Where and as whom the programs of PostgreSQL run; `account` undefined means as ourselves. */
export interface RunOptions {
  cwd: string;
  account: Account | undefined;
}

/** How a program ended; `code` is null when it could not be started or was killed, `output` then says why. */
export interface Outcome {
  code: number | null;
  output: string;
}

/**
 * The environment of PostgreSQL's programs. Ours holds secrets and may hold PG* variables of another server: neither
 * may get in.
 */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'SystemRoot', 'SystemDrive', 'TEMP', 'TMP', 'COMSPEC'];
  return {
    ...Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

/** Runs a program to its end and collects what it prints. Never throws. */
export function run(file: string, parameters: string[], { cwd, account }: RunOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(file, parameters, {
      cwd,
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      ...identityOf(account),
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code, signal) => resolve({ code, output: signal ? `${output}\nended by ${signal}` : output }));
  });
}

/** The options of `spawn` that switch to the account. */
export function identityOf(account: Account | undefined): { uid?: number; gid?: number } {
  return account ? { uid: account.uid, gid: account.gid } : {};
}

/**
 * PostgreSQL refuses to run as root: root lends it the account that owns the data already, else `postgres`, else
 * `nobody`. Everyone else runs it as themselves.
 *
 * @param data data folder, which may not exist yet
 * @throws when the data belongs to someone else, or root finds no account to lend
 */
export async function chooseAccount(data: string): Promise<Account | undefined> {
  const uid = process.getuid?.();
  if (uid === undefined) return undefined;
  const owner = await stat(data).catch(() => undefined);
  if (uid !== 0) {
    if (owner && owner.uid !== uid) {
      throw new Error(
        `${data} belongs to user id ${owner.uid}, this process runs as ${uid}: change its owner or DATA_DIR`,
      );
    }
    return undefined;
  }
  if (owner && owner.uid !== 0) return { name: `user id ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  for (const name of ['postgres', 'nobody']) {
    const [user, group] = await Promise.all([lookUp('-u', name), lookUp('-g', name)]);
    if (user && group) return { name, uid: user, gid: group };
  }
  throw new Error('PostgreSQL does not run as root and there is no account postgres or nobody: set DATABASE_URL');
}

async function lookUp(option: '-u' | '-g', name: string): Promise<number | undefined> {
  const { code, output } = await run('id', [option, name], { cwd: '/', account: undefined });
  const id = Number(output.trim());
  return code === 0 && Number.isInteger(id) && id !== 0 ? id : undefined;
}
