import type { Registry } from 'prom-client';

const EVERY_MS = 50;
const OF_PROM_CLIENT = ['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'];

/**
 * How late a timer fires: as long as everything else waits as well. It takes the place of prom-client's gauges, which begin
 * anew with each scrape, so that two servers that scrape each see half of it, can't be added up over replicas, and are never
 * less than the 10 ms at which they look.
 * @returns stops it
 */
export function useEventLoopLag(registry: Registry, observe: (seconds: number) => void): () => void {
  for (const part of OF_PROM_CLIENT) registry.removeSingleMetric(`nodejs_eventloop_lag${part}_seconds`);
  let due = performance.now() + EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    observe(Math.max(0, now - due) / 1_000);
    due = now + EVERY_MS;
  }, EVERY_MS).unref();
  return () => clearInterval(timer);
}
