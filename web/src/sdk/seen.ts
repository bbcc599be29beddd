/**
 * The highest keyring generation that this browser has seen of a package, so that a relay cannot bring an older password
 * back (rule K2). What is kept says nothing: hashes of package ids, and numbers above one.
 */
import { SealiftError } from './error';

const PLACE = 'sealift-keyrings';
/** Packages that are remembered; the oldest are forgotten first. */
const PACKAGES_MAX = 500;

/** @throws SealiftError `old_keyring`. */
export async function checkGeneration(packageId: string, generation: number): Promise<void> {
  const name = await hashed(packageId);
  if (name && generation < (read()[name] ?? 0)) throw new SealiftError('old_keyring');
}

/** Call it when the keyring was opened, never before: until then the number is only said. */
export async function rememberGeneration(packageId: string, generation: number): Promise<void> {
  const name = generation > 1 ? await hashed(packageId) : null; // nothing is older than the first
  if (!name) return;
  const { [name]: known = 0, ...others } = read();
  const kept = Object.entries(others).slice(1 - PACKAGES_MAX);
  try {
    localStorage.setItem(PLACE, JSON.stringify(Object.fromEntries([...kept, [name, Math.max(known, generation)]])));
  } catch {
    // No storage in this window: it knows nothing of before either.
  }
}

function read(): Record<string, number> {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? '{}') as Record<string, number>;
  } catch {
    return {};
  }
}

/** Half of the id's SHA-256, in hex; null where the browser cannot hash. */
async function hashed(packageId: string): Promise<string | null> {
  if (!globalThis.crypto?.subtle) return null;
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`sealift package ${packageId}`));
  return Array.from(new Uint8Array(hash, 0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
