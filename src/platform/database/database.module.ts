import { DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { EventsModule } from '../events/events.module.js';
import { EventsOptions } from '../events/events.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import { dataSourceOptions } from './data-source.js';
import { limitSilence, LONGEST_SILENCE_MS } from './silence-limit.js';
import { Database } from './transaction.js';

/** Addresses of a database that is up and migrated, see `openDatabase`. */
export interface DatabaseAddresses {
  /** Of the running product; may lead through a transaction pooler, and to a role that owns nothing. */
  url: string;
  /** Of the owner, and direct: for migrations, LISTEN and jobs. */
  adminUrl: string;
}

@Global()
@Module({})
export class DatabaseModule {
  constructor(dataSource: DataSource, metrics: MetricsService) {
    // Of TypeORM's PostgresDriver, which it does not export.
    const pool = (dataSource.driver as unknown as { master: Pool }).master;
    metrics.gauges('database_connections', 'Connections of the pool to the database', 'state', () => ({
      in_use: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
    }));
    metrics.gauge('database_connections_limit', 'The most connections that the pool may have', () => pool.options.max);
    metrics.gauge('database_waiting', 'Requests that wait for a connection of the pool', () => pool.waitingCount);
  }

  static at({ url, adminUrl }: DatabaseAddresses): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRoot({
          ...dataSourceOptions(url, []),
          autoLoadEntities: true,
          extra: { onConnect: limitSilence(LONGEST_SILENCE_MS) },
        }),
        EventsModule,
      ],
      providers: [Database, { provide: EventsOptions, useValue: new EventsOptions(adminUrl) }],
      exports: [Database, EventsOptions],
    };
  }
}
