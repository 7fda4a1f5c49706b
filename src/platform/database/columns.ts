import type { ObjectLiteral, UpdateQueryBuilder } from 'typeorm';

type Columns<Entity extends ObjectLiteral> = Parameters<UpdateQueryBuilder<Entity>['set']>[0];

/** Values for an insert or update. TypeORM's own type has no word for columns of free-form JSON; this one checks names and types. */
export function columns<Entity extends ObjectLiteral>(values: Partial<Entity>): Columns<Entity> {
  return values;
}
