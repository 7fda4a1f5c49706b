import 'reflect-metadata';
import { Lifecycle } from './lifecycle.js';
import { environmentOrExit } from './platform/config/load-environment.js';
import { migrate, openDatabase } from './platform/database/open-database.js';
import { createLogger } from './platform/telemetry/logger.js';

const environment = environmentOrExit();
const logger = createLogger(environment.LOG_LEVEL);
const lifecycle = new Lifecycle(logger);
try {
  const database = await openDatabase(environment, logger);
  await lifecycle.closeAtEnd(() => database.close());
  const applied = await migrate(database);
  logger.info({ applied }, applied.length > 0 ? 'migrations applied' : 'the schema is up to date');
  await lifecycle.stop('done');
} catch (error) {
  logger.fatal({ err: error }, `could not migrate: ${(error as Error).message}`);
  await lifecycle.stop('migration failed', 1);
}
