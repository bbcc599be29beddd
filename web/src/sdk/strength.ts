/** How hard a password is to guess, and passwords that are. Loaded only when needed. */
import { startWorker, wasmModule } from '../worker/assets';
import { Caller } from '../worker/calls';
import workerUrl from '../worker/strength?worker&url';
import wasmUrl from '../wasm/sealift_strength_bg.wasm?url';

export interface Strength {
  /** Base-2 logarithm of the guesses needed. */
  guessesLog2: number;
  score: 0 | 1 | 2 | 3 | 4;
  /** Empty when there is nothing to say. */
  warning: string;
  suggestions: string[];
}

let estimator: Promise<Caller> | null = null;

function loaded(): Promise<Caller> {
  estimator ??= load().catch((error) => {
    estimator = null; // a lost network must not stay lost
    throw error;
  });
  return estimator;
}

async function load(): Promise<Caller> {
  const [worker, module] = await Promise.all([startWorker(workerUrl, 'strength'), wasmModule(wasmUrl)]);
  const caller = new Caller(worker);
  await caller.call('start', module);
  return caller;
}

/** Estimates in the background; the password goes nowhere else. */
export async function passwordStrength(password: string): Promise<Strength> {
  return (await loaded()).call<Strength>('strength', password);
}

/** A new password of 80 bits. */
export async function generatePassword(): Promise<string> {
  return (await loaded()).call<string>('generate');
}

/** What is wrong with a password under a relay's rule, in a sentence for people; empty when it may be used. */
export async function passwordRefusal(password: string, rule: string): Promise<string> {
  return (await loaded()).call<string>('refusal', { password, rule });
}
