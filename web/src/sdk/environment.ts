/** Whether this browser has what sealing needs. Nothing is ever sent unsealed, so without it nothing is sent. */
import { SealiftError } from './error';

/** Null when all is there, else an error that says what is missing and what to use instead. */
export function checkEnvironment(): SealiftError | null {
  if (typeof WebAssembly !== 'object' || typeof WebAssembly.instantiate !== 'function') return new SealiftError('no_wasm');
  if (typeof Worker !== 'function') return new SealiftError('no_workers');
  if (typeof globalThis.crypto?.getRandomValues !== 'function') return new SealiftError('no_randomness');
  return null;
}
