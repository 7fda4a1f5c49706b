import { Global, Module, OnApplicationShutdown } from '@nestjs/common';
import { SchemaChecker } from './schema-checker.js';

@Global()
@Module({ providers: [{ provide: SchemaChecker, useFactory: () => new SchemaChecker() }], exports: [SchemaChecker] })
export class SchemasModule implements OnApplicationShutdown {
  constructor(private readonly checker: SchemaChecker) {}

  async onApplicationShutdown(): Promise<void> {
    await this.checker.close();
  }
}
