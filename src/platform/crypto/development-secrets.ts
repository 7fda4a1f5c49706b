import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** Secrets that a development installation makes for itself. */
export interface DevelopmentSecrets {
  jwtSecret: string;
  /** `id:base64key`, the sealing one first. */
  encryptionKeys: string[];
}

/** Reads `DATA_DIR/secrets.json` (mode 0600), making it first where it is missing. Two processes at once end with the same file. */
export function developmentSecrets(dataDir: string): DevelopmentSecrets {
  const file = join(dataDir, 'secrets.json');
  mkdirSync(dataDir, { recursive: true });
  try {
    return read(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const fresh = writeBeside(file, {
    jwtSecret: randomBytes(48).toString('base64url'),
    encryptionKeys: [freshEncryptionKey()],
  });
  try {
    linkSync(fresh, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(fresh);
  }
  return read(file);
}

/** Puts a new sealing key in front; the old ones still open what they sealed. */
export function addDevelopmentKey(dataDir: string): DevelopmentSecrets {
  const secrets = developmentSecrets(dataDir);
  const next = { ...secrets, encryptionKeys: [freshEncryptionKey(), ...secrets.encryptionKeys] };
  const file = join(dataDir, 'secrets.json');
  renameSync(writeBeside(file, next), file);
  return next;
}

function freshEncryptionKey(): string {
  return `k${Date.now().toString(36)}${randomBytes(2).toString('hex')}:${randomBytes(32).toString('base64')}`;
}

function read(file: string): DevelopmentSecrets {
  return JSON.parse(readFileSync(file, 'utf8')) as DevelopmentSecrets;
}

function writeBeside(file: string, secrets: DevelopmentSecrets): string {
  const fresh = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const descriptor = openSync(fresh, 'wx', 0o600);
  writeSync(descriptor, JSON.stringify(secrets, null, 2));
  fsyncSync(descriptor);
  closeSync(descriptor);
  return fresh;
}
