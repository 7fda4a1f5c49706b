import type { FastifyInstance } from 'fastify';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

// Fastify publishes every instance there before it has any route.
const CHANNEL = 'fastify.initialization';

/** Collects `METHOD /path` of every route that Fastify registers while `start` runs. HEAD comes with GET and is left out. */
export async function routesRegisteredBy<T>(start: () => Promise<T>): Promise<{ result: T; routes: string[] }> {
  const routes = new Set<string>();
  const listen = (message: unknown): void => {
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) if (each !== 'HEAD') routes.add(`${each} ${url}`);
    });
  };
  subscribe(CHANNEL, listen);
  try {
    const result = await start();
    return { result, routes: [...routes].sort() };
  } finally {
    unsubscribe(CHANNEL, listen);
  }
}

/** What of the live routes no row names, and which rows name a route that is not there. */
export function differences(live: readonly string[], named: readonly string[]): { missing: string[]; dead: string[] } {
  return {
    missing: live.filter((route) => !named.includes(route)),
    dead: named.filter((route) => !live.includes(route)),
  };
}
