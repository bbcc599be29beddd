/** The worker script and the WebAssembly module that sending and opening share, loaded once and only when needed. */
import { startWorker, wasmModule } from '../worker/assets';
import { Caller } from '../worker/calls';
import coreUrl from '../worker/core?worker&url';
import wasmUrl from '../wasm/sealift_client_wasm_bg.wasm?url';
import type { CoreRole } from '../worker/core';

/** A running worker in this role, and the module it needs. */
export async function startCore(role: CoreRole): Promise<{ worker: Worker; module: WebAssembly.Module }> {
  const [worker, module] = await Promise.all([startWorker(coreUrl, role), wasmModule(wasmUrl)]);
  return { worker, module };
}

/** A worker for keys. Whoever starts it ends it, which gives Argon2's memory back and is how a derivation is called off. */
export async function startKdf(): Promise<Caller> {
  const { worker, module } = await startCore('kdf');
  const kdf = new Caller(worker);
  await kdf.call('start', module);
  return kdf;
}

/** One question to a key worker of its own. */
export async function askKdf<T>(name: string, argument: unknown): Promise<T> {
  const kdf = await startKdf();
  try {
    return await kdf.call<T>(name, argument);
  } finally {
    kdf.end();
  }
}

/** A page may carry options of its own in the address; they are no part of the link. */
export function withoutQuery(link: string): string {
  return link.replace(/\?[^#]*/, '');
}
