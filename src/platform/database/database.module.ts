import { DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { EventsModule } from '../events/events.module.js';
import { EventsOptions } from '../events/events.service.js';
import { dataSourceOptions } from './data-source.js';
import { Database } from './transaction.js';

/** Addresses of a database that is up and migrated, see `openDatabase`. */
export interface DatabaseAddresses {
  url: string;
  /** Direct, for LISTEN and migrations. */
  adminUrl: string;
}

@Global()
@Module({})
export class DatabaseModule {
  static at({ url, adminUrl }: DatabaseAddresses): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [TypeOrmModule.forRoot({ ...dataSourceOptions(url, []), autoLoadEntities: true }), EventsModule],
      providers: [Database, { provide: EventsOptions, useValue: new EventsOptions(adminUrl) }],
      exports: [Database, EventsOptions],
    };
  }
}
