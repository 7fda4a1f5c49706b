import { ArgumentMetadata, Injectable, PipeTransform } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { notFound } from './domain-error.js';

/** Largest value of PostgreSQL's integer. */
export const LARGEST_INTEGER = 2_147_483_647;

/** A UUID in the path. A malformed one is as unknown as a foreign one: 404. */
export class UuidParameter implements PipeTransform<string, string> {
  constructor(private readonly kind: string) {}

  transform(value: string): string {
    if (!isUuid(value)) throw notFound(this.kind, value.slice(0, 100));
    return value.toLowerCase();
  }
}

/** An integer id in the path. A malformed one is as unknown as a foreign one: 404. */
export class IntegerParameter implements PipeTransform<string, number> {
  constructor(private readonly kind: string) {}

  transform(value: string): number {
    const id = /^(0|[1-9]\d{0,9})$/.test(value) ? Number(value) : NaN;
    if (!(id <= LARGEST_INTEGER)) throw notFound(this.kind, value.slice(0, 100));
    return id;
  }
}

/** `@Body()` of an operation whose body may be left out. */
@Injectable()
export class EmptyBodyAsObject implements PipeTransform<unknown, unknown> {
  transform(value: unknown, _metadata: ArgumentMetadata): unknown {
    return value ?? {};
  }
}
