import { Global, Logger, Module, OnApplicationShutdown } from '@nestjs/common';
import { SchemaChecker } from './schema-checker.js';

function checker(): SchemaChecker {
  const logger = new Logger('schemas');
  return new SchemaChecker({ warn: (message) => logger.warn(message) });
}

@Global()
@Module({ providers: [{ provide: SchemaChecker, useFactory: checker }], exports: [SchemaChecker] })
export class SchemasModule implements OnApplicationShutdown {
  constructor(private readonly checker: SchemaChecker) {}

  async onApplicationShutdown(): Promise<void> {
    await this.checker.close();
  }
}
