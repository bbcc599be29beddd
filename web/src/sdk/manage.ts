/**
 * What a manage link allows: look at a package, change who can open it, delete it.
 *
 * Changing replaces the keyring and nothing else; the files stay as they are. It is not revocation: whoever kept the old
 * keyring and its password still opens what they have fetched.
 */
import type { Caller } from '../worker/calls';
import type { KeyringNeeds, ManageLink } from '../worker/kdf-answers';
import type { NewSlots, OwnCredential } from '../worker/recipients-messages';
import { askKdf, withoutQuery } from './core';
import { SealiftError } from './error';
import { startRecipients } from './recipients';
import { ask, KEYRING_BYTES_MAX, packageInfo, readAtMost, type PackageInfo } from './relay';
import { checkGeneration, rememberGeneration } from './seen';

type Bytes = Uint8Array<ArrayBuffer>;

export type ManagedInfo = PackageInfo;
export type { NewSlots };

/** A keyring as the relay has it. */
interface StoredKeyring {
  bytes: Bytes;
  /** What a change names, so that two of them never undo each other unseen. */
  etag: string;
  needs: KeyringNeeds;
}

/** A package, in the hands of its sender. */
export class ManagedPackage {
  private readonly link: Promise<ManageLink>;
  private current: StoredKeyring | null = null;
  /** Holds the opened keyring. */
  private worker: Caller | null = null;
  private own: OwnCredential = {};
  /** The slot that the own password or link opens. */
  private ownSlot = -1;

  constructor(link: string, readonly packageId: string) {
    this.link = askKdf<ManageLink>('readManageLink', withoutQuery(link));
    this.link.catch(() => {}); // told to whoever asks
  }

  /** State, times and sizes, as the relay knows them. */
  async info(): Promise<ManagedInfo> {
    const link = await this.link;
    return packageInfo(link.relay, link.package);
  }

  /** The relay that keeps it. */
  async where(): Promise<{ relay: string; packageId: string }> {
    return { relay: (await this.link).relay, packageId: this.packageId };
  }

  /**
   * Who can open the package, as its keyring says.
   *
   * @throws SealiftError `old_keyring` when the relay gives an older one than this browser has seen.
   */
  async keyring(): Promise<KeyringNeeds> {
    const stored = await this.fetchKeyring();
    await checkGeneration(this.packageId, stored.needs.generation);
    this.current = stored;
    return stored.needs;
  }

  /** Whether the link opens the package by itself, or a password is needed to change anything. */
  async opensByLink(): Promise<boolean> {
    return (await this.link).secret !== undefined && (this.current ?? (await this.fetchKeyring())).needs.slots.some(({ kind }) => kind === 'link');
  }

  /**
   * Opens the keyring, by password or by the link's own secret: whoever cannot open it may not change it (rule K3).
   *
   * @throws SealiftError `wrong_password`, `wrong_link`, `password_needed`, `identity_needed`, `damaged_keyring`.
   */
  async unlock(password?: string): Promise<{ slot: number; keyring: KeyringNeeds }> {
    const { secret } = await this.link;
    // The one that was shown: numbers of slots mean something only in it, and whether it is still the current one is
    // decided when it is replaced.
    const keyring = this.current?.needs ?? (await this.keyring());
    this.lock();
    const worker = (this.worker = await startRecipients());
    this.own = { password, secret };
    try {
      this.ownSlot = await worker.call<number>('unlock', { keyring: this.current!.bytes, credential: this.own });
    } catch (error) {
      this.lock();
      throw error;
    }
    await rememberGeneration(this.packageId, keyring.generation);
    return { slot: this.ownSlot, keyring };
  }

  /**
   * Replaces the slots. Done only when the relay's copy was read back and opened.
   *
   * @throws SealiftError `keyring_changed` when somebody else was quicker: nothing was changed then; `stored_differs`;
   * what the relay's policy refuses.
   */
  async change(slots: NewSlots): Promise<KeyringNeeds> {
    const made = await this.unlocked().call<Bytes>('replace', slots);
    // Only those who can open it may change it again, so what stays must open for whoever changes it now.
    const credential = slots.password ? { password: slots.password } : slots.keep.includes(this.ownSlot) ? this.own : null;
    if (!credential) throw new SealiftError('bad_usage');
    this.ownSlot = await this.replaceBy(made, credential);
    this.own = credential;
    return this.current!.needs;
  }

  /** The keyring before this one, as long as the relay keeps it; null when there is none. */
  async previous(): Promise<KeyringNeeds | null> {
    const current = this.current ?? (await this.fetchKeyring());
    if (current.needs.generation < 2) return null;
    return (await this.fetchKeyring(current.needs.generation - 1).catch(() => null))?.needs ?? null;
  }

  /**
   * Brings the slots of the keyring before back, as a new keyring.
   *
   * @throws SealiftError, as `change`; `not_found` when the relay does not keep it any more.
   */
  async undo(): Promise<KeyringNeeds> {
    const worker = this.unlocked();
    const older = await this.fetchKeyring(this.current!.needs.generation - 1);
    await this.replaceBy(await worker.call<Bytes>('restore', older.bytes), null);
    this.lock(); // the password that opened it may not open it now
    return this.current!.needs;
  }

  /** Forgets the keys. */
  lock(): void {
    this.worker?.end();
    this.worker = null;
    this.own = {};
    this.ownSlot = -1;
  }

  /** Deletes the package from the relay, for good. */
  async delete(): Promise<void> {
    const { relay, package: id, token } = await this.link;
    await ask(`${relay}/api/packages/${id}`, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
  }

  /** Compare and swap, then what is stored is read back, compared and opened (rule K2): by which slot. */
  private async replaceBy(made: Bytes, credential: OwnCredential | null): Promise<number> {
    const { relay, package: id, token } = await this.link;
    const headers = { authorization: `Bearer ${token}`, 'if-match': this.current!.etag };
    const lost = await ask(`${relay}/api/packages/${id}/keyring`, { method: 'PUT', headers, body: made }).then(
      () => null,
      (thrown: unknown) => {
        const error = SealiftError.from(thrown);
        if (error.code !== 'network_lost') throw error;
        return error;
      },
    );
    const stored = await this.fetchKeyring();
    // A lost answer is settled by what is stored.
    if (lost && !(stored.bytes.length === made.length && stored.bytes.every((byte, i) => byte === made[i]))) throw lost;
    const slot = await this.unlocked().call<number>('check', { made, stored: stored.bytes, credential });
    this.current = stored;
    await rememberGeneration(this.packageId, stored.needs.generation);
    return slot;
  }

  private async fetchKeyring(generation?: number): Promise<StoredKeyring> {
    const { relay, package: id, token } = await this.link;
    const kept = generation === undefined ? '' : `?generation=${generation}`;
    const headers: Record<string, string> = kept ? { authorization: `Bearer ${token}` } : {};
    const response = await ask(`${relay}/api/packages/${id}/keyring${kept}`, { headers });
    const bytes = await readAtMost(response, KEYRING_BYTES_MAX);
    const needs = await askKdf<KeyringNeeds>('inspect', bytes);
    if (needs.package !== id) throw new SealiftError('package_mismatch');
    return { bytes, etag: response.headers.get('etag') ?? '', needs };
  }

  private unlocked(): Caller {
    if (!this.worker) throw new SealiftError('bad_usage');
    return this.worker;
  }
}

/**
 * @throws SealiftError `bad_link` when it is no manage link at all. Whether it is whole is checked before its first
 * use, which then fails with `cut_link`.
 */
export function readManageLink(link: string): ManagedPackage {
  const packageId = /\/manage\/([\w-]+)\/?(?:[?#]|$)/.exec(link)?.[1];
  if (!packageId) throw new SealiftError('bad_link');
  return new ManagedPackage(link, packageId);
}

/** The grant of a send link; null when there is no fragment. */
export async function readSendLink(link: string): Promise<string | null> {
  const fragment = link.split('#')[1];
  return fragment ? askKdf<string>('readSendLink', withoutQuery(link)) : null;
}
