import { Injectable } from '@nestjs/common';
import { createSecretKey, type KeyObject } from 'node:crypto';
import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  jwtVerify,
  SignJWT,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { LRUCache } from 'lru-cache';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { Environment } from '../config/environment.js';
import { developmentSecrets } from '../crypto/development-secrets.js';
import { EgressClient } from '../egress/egress-client.js';

/** Issuer of our own tokens where `JWT_ISSUER` names an OpenID provider. */
const OWN_ISSUER = 'mcp-control-plane';
export const ACCESS_TOKEN_SECONDS = 3_600;
/** Signatures are checked once in this time; whether the session still lives is asked for every request. */
const VERIFIED_FOR_MS = 5_000;
const LONGEST_TOKEN = 8_192;
/** Asymmetric only: an HMAC of a published key would be a forgery (key confusion). */
const PROVIDER_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

export interface VerifiedToken {
  /** `local`: ours, `subject` is a user id. `provider`: the OpenID provider's, `subject` is its name for the user. */
  issuedBy: 'local' | 'provider';
  subject: string;
  sessionId: string | null;
  issuedAt: Date;
  expiresAt: Date;
}

/** Signs and verifies JWT access tokens (RFC 7519, RFC 8725: one algorithm per key, issuer and audience required). */
@Injectable()
export class AccessTokenService {
  private readonly key: KeyObject;
  private readonly ownIssuer: string;
  private readonly providerKeys: JWTVerifyGetKey | null;
  private readonly verified = new LRUCache<string, VerifiedToken>({ max: 10_000, ttl: VERIFIED_FOR_MS });

  constructor(
    private readonly environment: Environment,
    egress: EgressClient,
  ) {
    const secret = environment.JWT_SECRET ?? developmentSecrets(environment.DATA_DIR).jwtSecret;
    this.key = createSecretKey(Buffer.from(secret));
    this.ownIssuer = environment.JWT_JWKS_URL ? OWN_ISSUER : environment.JWT_ISSUER;
    this.providerKeys = environment.JWT_JWKS_URL
      ? createRemoteJWKSet(new URL(environment.JWT_JWKS_URL), {
          [customFetch]: (url, init) => egress.fetch(url, init),
          cooldownDuration: 10_000,
        })
      : null;
  }

  sign(userId: string, sessionId: string): Promise<string> {
    return new SignJWT({ token_use: 'access', sid: sessionId })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setSubject(userId)
      .setIssuer(this.ownIssuer)
      .setAudience(this.environment.JWT_AUDIENCE)
      .setJti(uuidv7())
      .setIssuedAt()
      .setExpirationTime(`${ACCESS_TOKEN_SECONDS}s`)
      .sign(this.key);
  }

  /** What a token says when it is genuine, meant for us and in its time; null for every other string. */
  async verify(token: string): Promise<VerifiedToken | null> {
    const known = this.verified.get(token);
    if (known) return known.expiresAt.getTime() > Date.now() ? known : null;
    if (token.length > LONGEST_TOKEN) return null;
    try {
      const local = decodeProtectedHeader(token).alg === 'HS256';
      const result = local ? await this.verifyLocal(token) : await this.verifyProvider(token);
      if (result) this.verified.set(token, result);
      return result;
    } catch {
      return null;
    }
  }

  private async verifyLocal(token: string): Promise<VerifiedToken | null> {
    const { payload } = await jwtVerify(token, this.key, {
      algorithms: ['HS256'],
      issuer: this.ownIssuer,
      audience: this.environment.JWT_AUDIENCE,
      requiredClaims: ['sub', 'exp', 'iat', 'jti'],
    });
    if (payload.token_use !== 'access' || !isUuid(payload.sub)) return null;
    return describe(
      'local',
      payload,
      payload.sub as string,
      typeof payload.sid === 'string' && isUuid(payload.sid) ? payload.sid : null,
    );
  }

  private async verifyProvider(token: string): Promise<VerifiedToken | null> {
    if (!this.providerKeys) return null;
    const { payload } = await jwtVerify(token, this.providerKeys, {
      algorithms: PROVIDER_ALGORITHMS,
      issuer: this.environment.JWT_ISSUER,
      audience: this.environment.JWT_AUDIENCE,
      requiredClaims: ['sub', 'exp', 'iat'],
    });
    const subject = payload[this.environment.JWT_USERNAME_CLAIM];
    return typeof subject === 'string' && subject !== '' ? describe('provider', payload, subject, null) : null;
  }
}

function describe(
  issuedBy: VerifiedToken['issuedBy'],
  payload: JWTPayload,
  subject: string,
  sessionId: string | null,
): VerifiedToken {
  return {
    issuedBy,
    subject,
    sessionId,
    issuedAt: new Date((payload.iat ?? 0) * 1_000),
    expiresAt: new Date((payload.exp ?? 0) * 1_000),
  };
}
