import cors from '@fastify/cors';
import underPressure from '@fastify/under-pressure';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { getHeapStatistics } from 'node:v8';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { AuthenticationService } from './modules/identity/authentication.service.js';
import { Environment } from './platform/config/environment.js';
import type { DatabaseAddresses } from './platform/database/database.module.js';
import { HealthService } from './platform/health/health.service.js';
import { LARGEST_BODY, useBoundedJson } from './platform/http/body-parser.js';
import { OpenConnections } from './platform/http/open-connections.js';
import { LastingPressure } from './platform/http/lasting-pressure.js';
import { useRequestHooks } from './platform/http/request-hooks.js';
import { refuseUnparsable, routableUrl } from './platform/http/unparsable.js';
import { mostConnections } from './platform/process-limits.js';
import { JsonLogger } from './platform/telemetry/logger.js';
import { MetricsService } from './platform/telemetry/metrics.service.js';
import { TracingService } from './platform/telemetry/tracing.service.js';
import { VERSION } from './platform/telemetry/version.js';
import { RequestLimits } from './platform/throttling/request-limits.js';

/** Resource URIs of 2,048 characters, percent-encoded, in the path; Node takes no longer request line anyway. */
const LONGEST_PARAMETER = 16_384;
/** Milliseconds for a request to arrive whole, and between looks at those that do not. */
const ARRIVAL_MS = { longest: 30_000, look: 5_000 };
/** Requests under way in this process; more are told to come again. Most of them wait for upstreams. */
const MOST_REQUESTS = 2_000;
/** How late timers may be, and how full the heap, measured so often, before requests are told to come again. */
const PRESSURE = { longestDelayMs: 500, heap: 0.9, lookMs: 500 };
const CLIENT_REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/;

/** The application that `main` runs and the tests talk to, not yet listening. */
export async function createApp(
  environment: Environment,
  database: DatabaseAddresses,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: LARGEST_BODY,
    trustProxy: environment.TRUSTED_PROXIES.length > 0 ? environment.TRUSTED_PROXIES : false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: LONGEST_PARAMETER },
    forceCloseConnections: 'idle',
    // While closing, what still arrives on a living connection is served; the drain ends in any case.
    return503OnClosing: false,
    requestTimeout: ARRIVAL_MS.longest,
    http: { connectionsCheckingInterval: ARRIVAL_MS.look, requireHostHeader: false },
    rewriteUrl: routableUrl,
    clientErrorHandler: refuseUnparsable,
    genReqId: requestId,
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(environment, database), adapter, {
    logger: new JsonLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  await configureApp(app, environment, logger);
  return app;
}

/** A client may name its request, so that both sides' logs meet; anything odd is replaced. */
function requestId(request: IncomingMessage): string {
  const named = request.headers['x-request-id'];
  return typeof named === 'string' && CLIENT_REQUEST_ID.test(named) ? named : randomUUID();
}

async function configureApp(app: NestFastifyApplication, environment: Environment, logger: Logger): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance();
  // First, so that preflights, which carry no token, are answered before anything is counted.
  if (environment.CORS_ORIGINS.length > 0) {
    await app.register(cors, {
      origin: environment.CORS_ORIGINS,
      exposedHeaders: [
        'Link',
        'X-Total-Count',
        'X-Request-Id',
        'X-RateLimit-Limit',
        'X-RateLimit-Remaining',
        'X-RateLimit-Reset',
        'Retry-After',
        'Location',
        'Idempotent-Replayed',
      ],
    });
  }
  await app.register(underPressure, {
    maxEventLoopDelay: PRESSURE.longestDelayMs,
    maxHeapUsedBytes: getHeapStatistics().heap_size_limit * PRESSURE.heap,
    sampleInterval: PRESSURE.lookMs,
    // The request hooks ask.
    pressureHandler: () => undefined,
  });
  const pressure = new LastingPressure(() => fastify.isUnderPressure());
  fastify.addHook('onClose', async () => pressure.stop());
  const authentication = app.get(AuthenticationService);
  const health = app.get(HealthService);
  health.connections = new OpenConnections(fastify.server, mostConnections());
  useRequestHooks(fastify, {
    authenticate: (authorization) => authentication.authenticate(authorization),
    isDraining: () => health.isDraining,
    isOverloaded: (requests) => requests >= MOST_REQUESTS || pressure.lasts(),
    limits: app.get(RequestLimits),
    metrics: app.get(MetricsService),
    tracing: app.get(TracingService),
    logger,
  });
  useBoundedJson(fastify);
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
  });
}

export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('MCP control plane')
    .setDescription(
      'Connect MCP servers once, hand each workspace exactly what it needs, and know what every call did. ' +
        'Get a token at `POST /api/v1/auth/login` and put it behind *Authorize*. ' +
        'Live events over a WebSocket are described in [/docs/asyncapi.json](/docs/asyncapi.json).',
    )
    .setVersion(VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth()
    .build();
  return SwaggerModule.createDocument(app, config);
}
