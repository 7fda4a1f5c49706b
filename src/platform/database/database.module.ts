import { DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { EventsModule } from '../events/events.module.js';
import { EventsOptions } from '../events/events.service.js';
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
