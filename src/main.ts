import 'reflect-metadata';
import { createApp } from './bootstrap.js';
import { Lifecycle } from './lifecycle.js';
import { environmentOrExit } from './platform/config/load-environment.js';
import { migrate, openDatabase } from './platform/database/open-database.js';
import { HealthService } from './platform/health/health.service.js';
import { createLogger } from './platform/telemetry/logger.js';

/** How long a process that was told to stop says so at /health/ready before it stops listening. Ctrl-C is not kept waiting. */
const NOTICE_MS = 2_000;

const environment = environmentOrExit();
const logger = createLogger(environment.LOG_LEVEL);
const lifecycle = new Lifecycle(logger);
try {
  const database = await openDatabase(environment, logger);
  await lifecycle.closeAtEnd(() => database.close());
  await migrate(database);
  const app = await createApp(environment, database, logger);
  await lifecycle.closeAtEnd(() => app.close());
  await lifecycle.closeAtEnd((reason) => app.get(HealthService).drain(reason === 'SIGTERM' ? NOTICE_MS : 0));
  if (!lifecycle.isStopping) await app.listen(environment.PORT, environment.HOST);
  logger.info(`listening: API and documentation at ${environment.PUBLIC_URL}/docs`);
} catch (error) {
  logger.fatal({ err: error }, `could not start: ${(error as Error).message}`);
  await lifecycle.stop('start failed', 1);
}
