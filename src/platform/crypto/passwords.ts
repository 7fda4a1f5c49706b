import { hash, verify } from '@node-rs/argon2';

/** Verified when the user does not exist, so that the answer takes the same time. Hash of a random value. */
let decoy: Promise<string> | undefined;

/** Argon2id with the parameters of OWASP's password storage cheat sheet (19 MiB, 2 passes). */
export function hashPassword(password: string): Promise<string> {
  return hash(password);
}

/** Takes the same time with and without a stored hash. */
export async function passwordMatches(stored: string | null, password: string): Promise<boolean> {
  decoy ??= hash(Math.random().toString(36));
  const matches = await verify(stored ?? (await decoy), password);
  return stored !== null && matches;
}
