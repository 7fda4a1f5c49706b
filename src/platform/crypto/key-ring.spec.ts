import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { KeyRing, UnsealError, type SealedPlace } from './key-ring.js';

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const OLD = newKey('old');
const NEW = newKey('new');
const ring = new KeyRing([OLD]);
const PLACE: SealedPlace = { organizationId: 'o', connectionId: 'c', field: 'auth_data' };

const texts = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }).map((text) => text.replace(/\p{Surrogate}/gu, '')),
);
const places = fc.record({ organizationId: texts, connectionId: texts, field: texts });

describe('the key ring', () => {
  it('opens what it sealed, whatever the text and the place', () => {
    fc.assert(
      fc.property(texts, places, (text, place) => {
        expect(ring.open(ring.seal(text, place), place)).toBe(text);
      }),
    );
  });

  it('never seals the same text the same way twice, and shows nothing of it', () => {
    const text = 'a recognisable secret';
    const seals = Array.from({ length: 100 }, () => ring.seal(text, PLACE));
    expect(new Set(seals).size).toBe(100);
    for (const sealed of seals) {
      expect(sealed).toMatch(/^v1\.old\.[A-Za-z0-9_-]+$/);
      expect(Buffer.from(sealed.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain(text);
    }
  });

  it('refuses a sealed value at any other place', () => {
    fc.assert(
      fc.property(places, places, (place, other) => {
        fc.pre(JSON.stringify(Object.values(place)) !== JSON.stringify(Object.values(other)));
        expect(() => ring.open(ring.seal('x', place), other)).toThrow(UnsealError);
      }),
    );
  });

  it('keeps places apart whose parts run together', () => {
    const sealed = ring.seal('x', { organizationId: 'ab', connectionId: 'c', field: 'f' });
    for (const [organizationId, connectionId] of [
      ['a', 'bc'],
      ['ab","c', ''],
      ['abc', ''],
    ] as const) {
      expect(() => ring.open(sealed, { organizationId, connectionId, field: 'f' })).toThrow(UnsealError);
    }
  });

  it('binds the answer of an idempotency key to whose and which it is', () => {
    const place: SealedPlace = { principal: 'user:1', idempotencyKey: 'k' };
    const sealed = ring.seal('an answer', place);
    expect(ring.open(sealed, place)).toBe('an answer');
    for (const other of [
      { principal: 'user:2', idempotencyKey: 'k' },
      { principal: 'user:1', idempotencyKey: 'l' },
      { organizationId: 'idempotency key', connectionId: 'user:1', field: 'k' },
    ])
      expect(() => ring.open(sealed, other)).toThrow(UnsealError);
  });

  it('refuses every edit: a character changed, added, left out or cut off anywhere', () => {
    const sealed = ring.seal('{"api_token":"x"}', PLACE);
    const edits = fc
      .tuple(fc.nat(sealed.length), fc.nat(2), fc.constantFrom(...'ABab01-_.=+/ !\n'))
      .map(([at, removed, added]) => sealed.slice(0, at) + added + sealed.slice(at + removed))
      .filter((edited) => edited !== sealed);
    fc.assert(
      fc.property(edits, (edited) => {
        expect(() => ring.open(edited, PLACE)).toThrow(UnsealError);
      }),
      { numRuns: 2_000 },
    );
    for (let length = 0; length < sealed.length; length++)
      expect(() => ring.open(sealed.slice(0, length), PLACE)).toThrow(UnsealError);
    fc.assert(fc.property(texts, (text) => expect(() => ring.open(text, PLACE)).toThrow(UnsealError)));
  });

  it('seals with the first key and opens with all of them', () => {
    const sealed = ring.seal('x', PLACE);
    const both = new KeyRing([NEW, OLD]);
    expect(both.open(sealed, PLACE)).toBe('x');
    expect(KeyRing.keyIdOf(both.seal('x', PLACE))).toBe('new');
    expect(() => new KeyRing([NEW]).open(sealed, PLACE)).toThrow(/named old/);
  });

  it('refuses a key that only has the right name, and a value that claims another key', () => {
    const sealed = ring.seal('x', PLACE);
    expect(() => new KeyRing([newKey('old')]).open(sealed, PLACE)).toThrow(UnsealError);
    const same = OLD.replace('old:', 'new:');
    expect(() => new KeyRing([OLD, same]).open(sealed.replace('.old.', '.new.'), PLACE)).toThrow(UnsealError);
  });

  it('asks for keys that another process added when it meets one that it does not know', () => {
    const asked: string[] = [];
    const late = new KeyRing([OLD], () => (asked.push('asked'), [NEW, OLD]));
    expect(late.open(new KeyRing([NEW]).seal('x', PLACE), PLACE)).toBe('x');
    expect(late.sealingKeyId).toBe('new');
    expect(late.open(new KeyRing([NEW]).seal('y', PLACE), PLACE)).toBe('y');
    expect(asked).toEqual(['asked']);
  });

  it('takes neither two keys of one name nor none at all', () => {
    expect(() => new KeyRing([OLD, newKey('old')])).toThrow(/two encryption keys are named old/);
    expect(() => new KeyRing([]).seal('x', PLACE)).toThrow(/at least one key/);
  });
});
