/**
 * Public keys of the people who shall open a package, and identities. Loaded only when needed.
 *
 * Recipients come from the person at this page, from a file of theirs or from the page's own code, never from a relay
 * (rule K4). An identity is a secret: it goes from the file into a worker, and is stored nowhere.
 */
import { checkedScript, startChecked, wasmModule } from '../worker/assets';
import { Caller } from '../worker/calls';
import workerUrl from '../worker/recipients?worker&url';
import type { Identity, Recipient } from '../worker/recipients-messages';
import wasmUrl from '../wasm/sealift_recipients_bg.wasm?url';

export type { Identity, Recipient };

/** The checked script and module, for a worker that starts its own one: keys need not pass through the page then. */
export interface RecipientsCode {
  script: Blob;
  module: WebAssembly.Module;
}

export async function recipientsCode(): Promise<RecipientsCode> {
  const [script, module] = await Promise.all([checkedScript(workerUrl), wasmModule(wasmUrl)]);
  return { script, module };
}

/** A worker for keys. Whoever starts it ends it. */
export async function startRecipients(): Promise<Caller> {
  const { script, module } = await recipientsCode();
  const worker = new Caller(startChecked(script, 'recipients'));
  await worker.call('start', module);
  return worker;
}

async function askOnce<T>(name: string, argument?: unknown): Promise<T> {
  const worker = await startRecipients();
  try {
    return await worker.call<T>(name, argument);
  } finally {
    worker.end();
  }
}

/**
 * The public keys in a text: one on each line; lines that begin with `#` do not matter.
 *
 * @throws SealiftError `bad_recipient`.
 */
export function readRecipients(text: string): Promise<Recipient[]> {
  return askOnce('readRecipients', text);
}

/**
 * Whether a text is that of an identity file, and the public keys of those in it.
 *
 * @throws SealiftError `bad_identity`.
 */
export function readIdentities(text: string): Promise<Recipient[]> {
  return askOnce('readIdentities', text);
}

/** A new key pair. Whoever has `file` can open what is sent to `text`. */
export function makeIdentity(): Promise<Identity> {
  return askOnce('makeIdentity');
}
