import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** What a ciphertext belongs to. Authenticated with it (AAD), so that a sealed value can't be moved to another row or field. */
export interface SealedPlace {
  organizationId: string;
  connectionId: string;
  field: string;
}

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

/** As JSON, so that no two places give the same bytes. */
function additionalData(place: SealedPlace, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([place.organizationId, place.connectionId, place.field, keyId]));
}
