/**
 * Keys that most people never need: recipients, identities, and changing who can open a stored package.
 *
 * A script and a WebAssembly module of their own, so that the first load of a page stays small. Like the key worker this
 * one is ended after use, which gives Argon2's memory back and forgets what it held.
 */
import { initSync, makeIdentity, makeKeyring, openWithIdentities, OpenedKeyring, readIdentities, readRecipients } from '../wasm/sealift_recipients';
import { Handover, serve } from './calls';
import type { NewKeyring } from './kdf-answers';
import type { Identity, NewSlots, OwnCredential, Recipient } from './recipients-messages';

type Bytes = Uint8Array<ArrayBuffer>;

let opened: OpenedKeyring | null = null;

serve({
  start(module: WebAssembly.Module) {
    initSync({ module });
  },
  readRecipients: (text: string) => readRecipients(text) as Recipient[],
  readIdentities: (text: string) => readIdentities(text) as Recipient[],
  makeIdentity: () => makeIdentity() as Identity,
  /** A new package that recipients open; what it answers is what the key worker answers. */
  make({ recipients, password }: { recipients: string[]; password?: string }) {
    const made = makeKeyring(recipients.join('\n'), password?.normalize('NFC')) as NewKeyring;
    return new Handover(made, [made.key.buffer]);
  },
  /** The key of a package, by an identity. */
  open({ keyring, identity }: { keyring: Bytes; identity: string }) {
    const key = openWithIdentities(keyring, identity) as Bytes;
    return new Handover(key, [key.buffer]);
  },
  /** Opens a keyring that is to be replaced. Gives the number of the slot that opened it. */
  unlock({ keyring, credential }: { keyring: Bytes; credential: OwnCredential }) {
    opened?.free();
    opened = null;
    opened = unlocked(keyring, credential);
    return opened.slot;
  },
  replace({ keep, recipients, password }: NewSlots) {
    return opened!.replace(Uint32Array.from(keep), recipients.join('\n'), password?.normalize('NFC')) as Bytes;
  },
  restore: (older: Bytes) => opened!.restore(older) as Bytes,
  /**
   * What is stored is what was made, by whoever holds this package's key, and it opens: only then a change is done (rule
   * K2), and is the one to replace next. Gives the slot that opened it. Without a credential (an undo, whose password is
   * the one of before) the first two are checked.
   */
  check({ made, stored, credential }: { made: Bytes; stored: Bytes; credential: OwnCredential | null }) {
    opened!.checkStored(made, stored);
    if (!credential) return -1;
    const again = unlocked(stored, credential);
    opened!.free();
    opened = again;
    return again.slot;
  },
});

function unlocked(keyring: Bytes, { password, secret }: OwnCredential): OpenedKeyring {
  return new OpenedKeyring(keyring, password?.normalize('NFC'), secret);
}
