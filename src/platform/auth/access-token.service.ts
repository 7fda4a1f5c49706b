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
import type { MaybePromise } from '../maybe-promise.js';

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
  /** `workspace`: `subject` is the id of a workspace token. */
  use: 'access' | 'workspace';
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
    const expiresAt = new Date(Date.now() + ACCESS_TOKEN_SECONDS * 1_000);
    return this.signed({ token_use: 'access', sid: sessionId }, userId, uuidv7(), expiresAt);
  }

  /** A token for an agent; whether it still lives is asked of the database, by its id. */
  signForWorkspace(tokenId: string, workspaceId: string, expiresAt: Date): Promise<string> {
    return this.signed({ token_use: 'workspace', workspace_id: workspaceId }, tokenId, tokenId, expiresAt);
  }

  private signed(claims: JWTPayload, subject: string, id: string, expiresAt: Date): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setSubject(subject)
      .setIssuer(this.ownIssuer)
      .setAudience(this.environment.JWT_AUDIENCE)
      .setJti(id)
      .setIssuedAt()
      .setExpirationTime(expiresAt)
      .sign(this.key);
  }

  /** What a token says when it is genuine, meant for us and in its time; null for every other string. */
  verify(token: string): MaybePromise<VerifiedToken | null> {
    const known = this.verified.get(token);
    if (known) return known.expiresAt.getTime() > Date.now() ? known : null;
    return token.length > LONGEST_TOKEN ? null : this.verifyNow(token);
  }

  private async verifyNow(token: string): Promise<VerifiedToken | null> {
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
    const { token_use: use, sub, sid } = payload;
    if ((use !== 'access' && use !== 'workspace') || !isUuid(sub)) return null;
    return {
      ...described(payload),
      issuedBy: 'local',
      subject: sub as string,
      use,
      sessionId: isUuid(sid) ? (sid as string) : null,
    };
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
    if (typeof subject !== 'string' || subject === '') return null;
    return { ...described(payload), issuedBy: 'provider', subject, use: 'access', sessionId: null };
  }
}

function described(payload: JWTPayload): Pick<VerifiedToken, 'issuedAt' | 'expiresAt'> {
  return {
    issuedAt: new Date((payload.iat ?? 0) * 1_000),
    expiresAt: new Date((payload.exp ?? 0) * 1_000),
  };
}
