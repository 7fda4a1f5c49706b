import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { Lifecycle } from './lifecycle.js';
import { SEALED_CREDENTIALS } from './modules/connections/credential-rotation.js';
import { SEALED_WEBHOOK_SECRETS } from './modules/mappings/webhooks.service.js';
import { environmentOrExit } from './platform/config/load-environment.js';
import { addDevelopmentKey } from './platform/crypto/development-secrets.js';
import { KeyRing } from './platform/crypto/key-ring.js';
import { reseal } from './platform/crypto/reseal.js';
import { dataSourceOptions } from './platform/database/data-source.js';
import { openDatabase } from './platform/database/open-database.js';
import { createLogger } from './platform/telemetry/logger.js';

const environment = environmentOrExit();
const logger = createLogger(environment.LOG_LEVEL);
const lifecycle = new Lifecycle(logger);
try {
  const database = await openDatabase(environment, logger);
  await lifecycle.closeAtEnd(() => database.close());
  // It changes rows, as the product does, and nothing that needs the owner.
  const dataSource = await new DataSource(dataSourceOptions(database.url, [])).initialize();
  await lifecycle.closeAtEnd(() => dataSource.destroy());
  // Operators put the new key first in ENCRYPTION_KEYS; a development installation makes one for itself.
  const keys = new KeyRing(
    environment.ENCRYPTION_KEYS.length > 0
      ? environment.ENCRYPTION_KEYS
      : addDevelopmentKey(environment.DATA_DIR).encryptionKeys,
  );
  let count = 0;
  for (const column of [SEALED_CREDENTIALS, SEALED_WEBHOOK_SECRETS]) {
    const report = (done: number): void => logger.info({ of: column.named, done }, 'sealing credentials anew');
    count += await reseal(dataSource, keys, column, report);
  }
  logger.info({ count, key: keys.sealingKeyId }, 'all credentials are sealed with the first key');
  await lifecycle.stop('done');
} catch (error) {
  logger.fatal({ err: error }, `could not rotate the keys: ${(error as Error).message}`);
  await lifecycle.stop('rotation failed', 1);
}
