/** How hard a password is to guess, and passwords that are. Loaded only when needed. */
import { SealiftError } from './error';

export interface Strength {
  /** Base-2 logarithm of the guesses needed. */
  guessesLog2: number;
  score: 0 | 1 | 2 | 3 | 4;
  /** Empty when there is nothing to say. */
  warning: string;
  suggestions: string[];
}

export async function passwordStrength(_password: string): Promise<Strength> { throw new SealiftError('internal'); }

/** A new password of at least 77 bits. */
export async function generatePassword(): Promise<string> { throw new SealiftError('internal'); }
