import { Injectable, OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import { ApiErrors, ErrorBody } from '../openapi.js';
import { takesIdempotencyKey, type Handler } from './idempotent-operations.js';

const DOCUMENTED = Symbol('documentsIdempotencyKey');

const DOCUMENTATION = [
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'A name of your choice for this request, a UUID say. Within 24 h the same request with the same key gets the same answer, ' +
      'with `Idempotent-Replayed: true`, and nothing happens twice',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  }),
  ApiErrors(409),
  ApiResponse({ status: 422, type: ErrorBody, description: 'The Idempotency-Key was used for another request' }),
];

/** Documents the header at every operation that takes it, so that none has to say so. */
@Injectable()
export class DocumentedKeys implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    for (const { metatype } of this.discovery.getControllers()) {
      if (!metatype) continue;
      const prototype = metatype.prototype as object;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
        if (descriptor) this.document(metatype as Type<unknown>, name, descriptor);
      }
    }
  }

  private document(controller: Type<unknown>, name: string, descriptor: PropertyDescriptor): void {
    const handler = descriptor.value as Handler;
    // Classes outlive an application: tests make several of them.
    if (!takesIdempotencyKey(this.reflector, handler, controller) || Reflect.hasMetadata(DOCUMENTED, handler)) return;
    Reflect.defineMetadata(DOCUMENTED, true, handler);
    for (const decorate of DOCUMENTATION) decorate(controller.prototype as object, name, descriptor);
  }
}
