import type { CallTimes } from '../usage/ledger.service.js';

export function timesFromNow(): CallTimes {
  return { startedAt: performance.now(), upstreamMs: 0 };
}

/** Of the call itself, and of what is only asked in order to decide: neither is time of ours. */
export async function onUpstream<T>(times: CallTimes, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    return await work();
  } finally {
    times.upstreamMs += performance.now() - began;
  }
}
