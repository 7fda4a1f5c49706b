import { applyDecorators, HttpCode } from '@nestjs/common';
import { ApiProperty, ApiResponse } from '@nestjs/swagger';

/** The one error body. */
export class ErrorBody {
  @ApiProperty({ example: 'resource_not_found' })
  error: string;

  @ApiProperty({ example: 'The requested resource was not found' })
  message: string;

  @ApiProperty({ type: 'object', additionalProperties: true, example: { resource_id: 999 } })
  details: Record<string, unknown>;

  @ApiProperty({ example: '0f5f1c8e-3a2a-4a39-8f2e-0d6b1f0a7c11' })
  request_id: string;
}

const TEXT: Record<number, string> = {
  400: 'Invalid input parameters',
  401: 'Authentication required',
  403: 'Insufficient permissions',
  404: 'Resource not found',
  409: 'Resource conflict',
  429: 'Rate limit exceeded, or the budget of the grant is used up',
  502: 'The upstream server failed',
  503: 'Not available now: see Retry-After',
  504: 'The upstream server was too slow',
};

/** Documents the error answers of an operation. */
export function ApiErrors(...statuses: number[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ...statuses.map((status) => ApiResponse({ status, type: ErrorBody, description: TEXT[status] })),
  );
}

/** Documents the success of an operation with the example of the specification. */
export function ApiExample(status: number, example: unknown, description = 'Success'): MethodDecorator {
  return ApiResponse({ status, description, content: { 'application/json': { schema: schemaOf(example), example } } });
}

/** A schema derived from the example, so that the two never disagree. */
function schemaOf(example: unknown): Record<string, unknown> {
  if (Array.isArray(example)) return { type: 'array', items: example.length > 0 ? schemaOf(example[0]) : {} };
  if (example === null) return { nullable: true };
  if (typeof example === 'object') {
    return {
      type: 'object',
      properties: Object.fromEntries(Object.entries(example).map(([key, value]) => [key, schemaOf(value)])),
    };
  }
  return { type: typeof example === 'number' && Number.isInteger(example) ? 'integer' : typeof example };
}

/** For operations that have nothing to say when they are done. */
export function NoContent(): MethodDecorator {
  return applyDecorators(HttpCode(204), ApiResponse({ status: 204, description: 'Done' }));
}
