/**
 * Argon2id, and what needs it: keyrings are made and opened here.
 *
 * It takes the better part of a second and 64 MiB, so it has a worker of its own, which is ended afterwards: that gives
 * the memory back, and is how a person cancels. Links are read here too.
 */
import { initSync, inspectKeyring, makeLinkKeyring, makePasswordKeyring, measureKdf, openKeyring, readManageLink, readSendLink } from '../wasm/sealift_client_wasm';
import { Handover, serve } from './calls';
import type { Protection } from '../sdk/types';
import type { KeyringNeeds, ManageLink, NewKeyring } from './kdf-answers';

/** Makes this worker one for keys. */
export const beKdf = () => serve({
  start(module: WebAssembly.Module) {
    initSync({ module });
  },
  make(protection: Exclude<Protection, { kind: 'recipients' }>) {
    // By name and never by what is missing: a package without a password is one only when that was asked for.
    const made = (protection.kind === 'link' ? makeLinkKeyring() : makePasswordKeyring(protection.password.normalize('NFC'))) as NewKeyring;
    return new Handover(made, [made.key.buffer, ...(made.secret ? [made.secret.buffer] : [])]);
  },
  open({ keyring, password, secret }: { keyring: Uint8Array; password: string | null; secret: Uint8Array | null }) {
    const key = openKeyring(keyring, password?.normalize('NFC'), secret ?? undefined) as Uint8Array<ArrayBuffer>;
    return new Handover(key, [key.buffer]);
  },
  /** Milliseconds that a derivation of this cost (KiB times passes) takes here, by a short measured run. */
  estimate(cost: number) {
    const start = performance.now();
    const measured = measureKdf();
    return { milliseconds: Math.round(((performance.now() - start) * cost) / measured) };
  },
  inspect: (keyring: Uint8Array) => inspectKeyring(keyring) as KeyringNeeds,
  readManageLink: (link: string) => readManageLink(link) as ManageLink,
  readSendLink: (link: string) => readSendLink(link),
});
