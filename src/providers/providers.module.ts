import { Global, Module } from '@nestjs/common';
import { BUILTIN_SERVERS, type BuiltinServers } from '../mcp/builtin-server.js';
import { PROVIDERS } from './index.js';

/** Hands the servers that ship to the pool, which reaches them like any other. */
@Global()
@Module({
  providers: [
    {
      provide: BUILTIN_SERVERS,
      useValue: new Map(PROVIDERS.map(({ name, start }) => [name, start])) satisfies BuiltinServers,
    },
  ],
  exports: [BUILTIN_SERVERS],
})
export class ProvidersModule {}
