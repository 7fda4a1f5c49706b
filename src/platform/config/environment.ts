import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  Min,
  MinLength,
} from 'class-validator';
import { AreEgressEntries, AreProxyAddresses, HaveDifferentIds } from './address-rules.js';
import { Variable } from './variable.js';

const POSTGRES_URL = /^postgres(ql)?:\/\//;

/** The process environment, parsed and checked once at start by `loadEnvironment`. */
export class Environment {
  @Variable('Port to listen on')
  @IsInt()
  @Min(1)
  @Max(65_535)
  PORT: number = 3000;

  @Variable('Address to listen on')
  @Matches(/^([A-Za-z0-9.-]+|[0-9A-Fa-f:.]+)$/, { message: 'HOST must be a name or an address' })
  HOST: string = '127.0.0.1';

  @Variable('How clients reach the product: audience of tokens, links and the documentation', {
    defaultText: '`http://HOST:PORT`',
  })
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  PUBLIC_URL: string = '';

  @Variable('`production` refuses weak or missing secrets')
  @IsIn(['development', 'test', 'production'])
  NODE_ENV: string = 'development';

  @Variable('A PostgreSQL 15 or newer; without it an embedded PostgreSQL runs in `DATA_DIR`', { sensitive: true })
  @IsOptional()
  @Matches(POSTGRES_URL, { message: 'DATABASE_URL must start with postgres:// or postgresql://' })
  DATABASE_URL?: string;

  @Variable(
    'Direct connection of the owner, for migrations, LISTEN and jobs; `DATABASE_URL` may then be a pooler and a role with fewer rights',
    {
      defaultText: '`DATABASE_URL`',
      sensitive: true,
    },
  )
  @IsOptional()
  @Matches(POSTGRES_URL, { message: 'DATABASE_ADMIN_URL must start with postgres:// or postgresql://' })
  DATABASE_ADMIN_URL?: string;

  @Variable('Folder of the embedded database and of generated development secrets')
  @IsString()
  @MinLength(1)
  DATA_DIR: string = './.data';

  @Variable('A Redis for rate limits and live events of many replicas; without it PostgreSQL does both', {
    sensitive: true,
  })
  @IsOptional()
  @IsUrl(
    { require_tld: false, protocols: ['redis', 'rediss'], require_protocol: true },
    { message: 'REDIS_URL must be redis://[user:password@]host[:port] or rediss://...' },
  )
  REDIS_URL?: string;

  @Variable('User name of the first operator, made on an empty database')
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/)
  ADMIN_USERNAME: string = 'admin';

  @Variable('Password of the first operator', { defaultText: 'generated, printed once', sensitive: true })
  @IsOptional()
  @MinLength(8)
  ADMIN_PASSWORD?: string;

  @Variable('Key that signs access tokens, at least 32 characters', {
    defaultText: 'generated in development',
    sensitive: true,
  })
  @IsOptional()
  @MinLength(32)
  JWT_SECRET?: string;

  @Variable('Key set of an OpenID provider whose tokens are accepted beside our own')
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  JWT_JWKS_URL?: string;

  @Variable('Issuer of accepted tokens: ours, or the OpenID provider where `JWT_JWKS_URL` is set')
  @IsString()
  @MinLength(1)
  JWT_ISSUER: string = 'mcp-control-plane';

  @Variable('Audience of accepted tokens', { defaultText: '`PUBLIC_URL`' })
  @IsString()
  @MinLength(1)
  JWT_AUDIENCE: string = '';

  @Variable("Claim of the OpenID provider's tokens that names the user")
  @IsString()
  @MinLength(1)
  JWT_USERNAME_CLAIM: string = 'sub';

  @Variable('Create a user for every valid token of the OpenID provider')
  @IsBoolean()
  JWT_AUTO_PROVISION: boolean = false;

  @Variable('`id:base64key,...` with 32-byte keys; the first seals credentials, all open them', {
    defaultText: 'generated in development',
    sensitive: true,
  })
  @IsArray()
  @Matches(/^[A-Za-z0-9_-]{1,32}:[A-Za-z0-9+/]{43}=$/, {
    each: true,
    message: 'ENCRYPTION_KEYS must list id:base64key pairs with keys of 32 bytes',
  })
  @HaveDifferentIds()
  ENCRYPTION_KEYS: string[] = [];

  @Variable('Private hosts or CIDRs that upstream calls may reach', {
    defaultText: 'development: `127.0.0.0/8,::1`; production: none',
  })
  @AreEgressEntries()
  EGRESS_ALLOW: string[] = [];

  @Variable('Browser origins that may call the API, exact, comma-separated')
  @IsArray()
  @Matches(/^https?:\/\/[^/]+$/, {
    each: true,
    message: 'CORS_ORIGINS must list origins such as https://app.example.com',
  })
  CORS_ORIGINS: string[] = [];

  @Variable('Addresses or CIDRs of proxies whose forwarding headers are believed')
  @AreProxyAddresses()
  TRUSTED_PROXIES: string[] = [];

  @Variable('Operators may define servers that are processes')
  @IsBoolean()
  STDIO_ENABLED: boolean = false;

  @Variable('Requests a minute of a signed-in user')
  @IsInt()
  @Min(1)
  THROTTLE_AUTHENTICATED: number = 100;

  @Variable('Requests a minute of a client address without a valid token')
  @IsInt()
  @Min(1)
  THROTTLE_ANONYMOUS: number = 5;

  @Variable('Calls a minute that agents may make by one grant')
  @IsInt()
  @Min(1)
  AGENT_CALLS_PER_MINUTE: number = 600;

  @Variable('Days that single calls stay in the ledger; daily totals and the trail of changes stay for good')
  @IsInt()
  @Min(32)
  @Max(36_500)
  LEDGER_RETENTION_DAYS: number = 400;

  @Variable('Collector that traces are sent to, by OTLP over HTTP; `OTEL_EXPORTER_OTLP_HEADERS` is read too', {
    defaultText: 'none',
  })
  @IsOptional()
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  OTEL_EXPORTER_OTLP_ENDPOINT?: string;

  @Variable('Least severe log line written: `fatal`, `error`, `warn`, `info`, `debug` or `silent`')
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
  LOG_LEVEL: string = 'info';
}
