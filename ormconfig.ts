import { fileURLToPath } from 'node:url';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from './src/platform/database/data-source.js';

// For TypeORM's command line, on the built product: npx typeorm migration:generate -d dist/ormconfig.js migrations/Name
const { DATABASE_URL } = process.env;
if (!DATABASE_URL) throw new Error('Set DATABASE_URL for the TypeORM command line');

const root = fileURLToPath(new URL('.', import.meta.url));

export default new DataSource({
  ...dataSourceOptions(DATABASE_URL, [`${root}src/**/*.entity.{ts,js}`]),
  // The command line reports through it.
  logger: 'advanced-console',
  migrations: [`${root}migrations/*.{ts,js}`],
});
