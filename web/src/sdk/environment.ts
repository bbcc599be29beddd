/** Whether this browser has what sealing needs. Nothing is ever sent unsealed, so without it nothing is sent. */
import { SealiftError } from './error';

/** Null when all is there, else an error that says what is missing and what to use instead. */
export function checkEnvironment(): SealiftError | null {
  if (typeof WebAssembly !== 'object' || typeof WebAssembly.instantiate !== 'function') return lacking('WebAssembly');
  if (typeof Worker !== 'function') return lacking('background workers');
  if (typeof globalThis.crypto?.getRandomValues !== 'function') return lacking('secure random numbers');
  return null;
}

function lacking(what: string): SealiftError {
  return new SealiftError(
    'environment_unsupported',
    `This browser has no ${what}, without which nothing can be sealed. Nothing was sent. ` +
      'Use a current Firefox, Chrome, Edge or Safari, or the sealift command line.',
  );
}
