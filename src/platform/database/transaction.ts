import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { DomainEvent, EventsService } from '../events/events.service.js';

/** What a unit of work may do: read and write through `manager`, and announce events that leave only if it commits. */
export interface Transaction {
  readonly manager: EntityManager;
  publish(event: DomainEvent): Promise<void>;
}

@Injectable()
export class Database {
  constructor(
    private readonly dataSource: DataSource,
    private readonly events: EventsService,
  ) {}

  /** For reads outside a transaction. */
  get manager(): EntityManager {
    return this.dataSource.manager;
  }

  /**
   * Runs `work` in one transaction. Published events reach subscribers here and at other replicas after the commit:
   * nobody ever sees one that was rolled back.
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const published: DomainEvent[] = [];
    const result = await this.dataSource.transaction((manager) =>
      work({
        manager,
        publish: async (event) => {
          published.push(event);
          await this.events.stage(manager, event);
        },
      }),
    );
    await this.events.committed(published);
    return result;
  }
}
