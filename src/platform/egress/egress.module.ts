import { Global, Module, OnApplicationShutdown } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { EgressClient } from './egress-client.js';

@Global()
@Module({
  providers: [
    {
      provide: EgressClient,
      inject: [Environment],
      useFactory: (environment: Environment) => new EgressClient({ allow: environment.EGRESS_ALLOW }),
    },
  ],
  exports: [EgressClient],
})
export class EgressModule implements OnApplicationShutdown {
  constructor(private readonly client: EgressClient) {}

  async onApplicationShutdown(): Promise<void> {
    await this.client.close();
  }
}
