import { readFileSync } from 'node:fs';

/** No file descriptors, of the process or of the machine, or no local ports. */
const EXHAUSTION: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS']);

/** Whether something failed for want of what the operating system has only so much of. It passes. */
export function isExhaustion({ code }: { code?: string | undefined }): boolean {
  return EXHAUSTION.has(code);
}

/** For upstreams, the database, files and what Node needs by itself: a quarter of all, and no less than this. */
const RESERVED_FILES = 128;
/** A connection takes a few kilobytes. */
const MOST_CONNECTIONS = 20_000;

/** How many connections of clients this process may have: each is a file descriptor, and the others are needed to serve them. */
export function mostConnections(files = fileLimit()): number {
  if (files === Infinity) return MOST_CONNECTIONS;
  const reserved = Math.max(RESERVED_FILES, files / 4);
  return Math.max(16, Math.min(MOST_CONNECTIONS, Math.floor(files - reserved)));
}

/** The soft limit of open files, which Node itself raises to the hard one; where it can't be read it is taken for none. */
function fileLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft ?? Infinity);
  } catch {
    return Infinity;
  }
}
