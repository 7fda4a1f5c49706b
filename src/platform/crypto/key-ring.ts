import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** A field of a connection, or of something else of an organization that is named like one. */
interface ConnectionPlace {
  organizationId: string;
  connectionId: string;
  field: string;
}

/** The answer that is kept for an idempotency key. */
interface AnswerPlace {
  principal: string;
  idempotencyKey: string;
}

/** What somebody is given to bring it back with the same request. */
interface RequestPlace {
  request: string;
}

/** What a ciphertext belongs to. Authenticated with it (AAD), so that a sealed value can't be moved to another row or field. */
export type SealedPlace = ConnectionPlace | AnswerPlace | RequestPlace;

/** The value was edited, moved, or sealed with a key that is not configured. */
export class UnsealError extends Error {}

const FORMAT = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals secrets with AES-256-GCM (NIST SP 800-38D) as `v1.<key id>.<base64url of iv, tag, ciphertext>`.
 * The first key seals, every key opens, so keys can be rotated while the product runs.
 */
export class KeyRing {
  private keys: Map<string, Buffer>;

  /**
   * @param entries `id:base64key` pairs of 32-byte keys, the sealing one first
   * @param reload asked once when an unknown key id is met: another process may have added one
   */
  constructor(
    entries: readonly string[],
    private readonly reload?: () => readonly string[],
  ) {
    this.keys = parseKeys(entries);
  }

  /** Id of the key that seals now. */
  get sealingKeyId(): string {
    const [id] = this.keys.keys();
    if (id === undefined) throw new Error('a key ring needs at least one key');
    return id;
  }

  seal(plaintext: string, place: SealedPlace): string {
    const id = this.sealingKeyId;
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key(id), iv).setAAD(additionalData(place, id));
    const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
    return `${FORMAT}.${id}.${Buffer.concat([iv, cipher.getAuthTag(), ciphertext]).toString('base64url')}`;
  }

  /** @throws UnsealError */
  open(sealed: string, place: SealedPlace): string {
    const [format, id, payload, ...rest] = sealed.split('.');
    if (format !== FORMAT || id === undefined || payload === undefined || rest.length > 0) throw damaged();
    const bytes = Buffer.from(payload, 'base64url');
    // Buffer skips what is not base64url and ignores spare bits: only what `seal` wrote is read.
    if (bytes.length < IV_BYTES + TAG_BYTES || bytes.toString('base64url') !== payload) throw damaged();
    const decipher = createDecipheriv('aes-256-gcm', this.key(id), bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(additionalData(place, id)).setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
    } catch {
      throw new UnsealError('the sealed value was edited or does not belong here');
    }
  }

  /**
   * HMAC-SHA256 of a text as `<key id>.<base64url>`, by a key that is derived for this purpose alone (HKDF, RFC 5869).
   * The first key signs, every key verifies.
   */
  sign(text: string, purpose: string): string {
    const id = this.sealingKeyId;
    return `${id}.${this.mac(text, purpose, id).toString('base64url')}`;
  }

  /** Whether `sign` made this signature of this text, with a key that is still configured. */
  verify(text: string, purpose: string, signature: string): boolean {
    const [id = '', encoded = ''] = signature.split('.');
    try {
      const expected = this.mac(text, purpose, id);
      const given = Buffer.from(encoded, 'base64url');
      return given.length === expected.length && timingSafeEqual(given, expected);
    } catch (error) {
      if (error instanceof UnsealError) return false;
      throw error;
    }
  }

  /** Whether the key that made a signature is still configured; without it nobody can say what `verify` would. */
  knowsKeyOf(signature: string): boolean {
    try {
      this.key(signature.split('.')[0] ?? '');
      return true;
    } catch (error) {
      if (error instanceof UnsealError) return false;
      throw error;
    }
  }

  private mac(text: string, purpose: string, id: string): Buffer {
    const key = Buffer.from(hkdfSync('sha256', this.key(id), '', purpose, 32));
    return createHmac('sha256', key).update(text).digest();
  }

  /** Id of the key that a value was sealed with. */
  static keyIdOf(sealed: string): string {
    return sealed.split('.')[1] ?? '';
  }

  private key(id: string): Buffer {
    if (!this.keys.has(id) && this.reload) this.keys = parseKeys(this.reload());
    const key = this.keys.get(id);
    if (!key) throw new UnsealError(`no encryption key named ${id} is configured`);
    return key;
  }
}

function parseKeys(entries: readonly string[]): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const entry of entries) {
    const separator = entry.indexOf(':');
    const id = entry.slice(0, separator);
    // The second would open nothing that the first has sealed, and the other way round.
    if (keys.has(id)) throw new Error(`two encryption keys are named ${id}`);
    keys.set(id, Buffer.from(entry.slice(separator + 1), 'base64'));
  }
  return keys;
}

function damaged(): UnsealError {
  return new UnsealError('the sealed value is damaged');
}

/** As JSON, and each kind of place in a shape of its own, so that no two places give the same bytes. */
function additionalData(place: SealedPlace, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([...partsOf(place), keyId]));
}

function partsOf(place: SealedPlace): unknown[] {
  if ('principal' in place) return [['idempotency key', place.principal, place.idempotencyKey]];
  if ('request' in place) return [['request', place.request]];
  return [place.organizationId, place.connectionId, place.field];
}
