/**
 * Opens a package, from a link or from `.sealift` files on this computer.
 *
 * A link is opened by fetching the package's keyring and its manifest, nothing else; content is fetched when it is
 * downloaded. Keys stay in workers: one opens the keyring and ends, the package's own one keeps the key.
 */
import { Caller } from '../worker/calls';
import type { KeyringNeeds, ReceiveLink } from '../worker/kdf-answers';
import type { Layout, ManifestAnswer, ManifestFile, SealedPlace } from '../worker/open-messages';
import { askKdf, startCore, startKdf, withoutQuery } from './core';
import { DownloadJob, type Listed } from './download';
import { checkEnvironment } from './environment';
import { SealiftError } from './error';
import { startRecipients } from './recipients';
import { ask, fileUrl, KEYRING_BYTES_MAX, packageInfo, readAtMost } from './relay';
import { clearStaging } from './saving';
import { checkGeneration, rememberGeneration } from './seen';
import type { Contents, Entry, Proof, SaveInto } from './types';

type Bytes = Uint8Array<ArrayBuffer>;

/** The limit of the format, and what sealing and padding add to a manifest. */
const MANIFEST_BYTES_MAX = 40 << 20;

/** Everything about a package that is known before it is opened. */
interface Found {
  worker: Caller;
  keyring: Bytes;
  needs: KeyringNeeds;
  link: ReceiveLink | null;
  /** Where it is stored; null for files on this computer. */
  relay: string | null;
  /** Null: one sealed file without a manifest. */
  manifest: { head: Bytes; body: Bytes } | null;
  /** Sealed content files by id. */
  places: Map<string, SealedPlace>;
  storedBytes: number;
  expiresAt: Date | null;
}

/** What opens a package beside its link: a password, or the text of an identity file. */
export interface Credential {
  password?: string;
  identity?: string;
}

/** A package that was found, and can be opened. */
export class Package {
  /** What `unlock` needs: a password, an identity, the link (only for local files), or nothing more. */
  readonly needs: 'password' | 'identity' | 'link' | 'nothing';
  /** Whether an identity opens it, too or only. */
  readonly takesIdentity: boolean;
  readonly storedBytes: number;
  readonly expiresAt: Date | null;
  /** What opened it; null before `unlock`. */
  openedBy: 'password' | 'identity' | 'link' | null = null;
  private contents: Contents | null = null;
  private listed = new Map<string, Listed>();

  constructor(private readonly found: Found) {
    const { needs, link } = found;
    this.storedBytes = found.storedBytes;
    this.expiresAt = found.expiresAt;
    this.takesIdentity = needs.identity;
    this.needs = needs.secret && link?.secret ? 'nothing' : needs.password ? 'password' : needs.identity ? 'identity' : 'link';
    if (needs.password && needs.slots.some(({ kind }) => kind === 'password_and_link')) this.needs = 'password';
  }

  /** Who may open it, as its keyring says; authenticated once it is opened. */
  get keyring(): KeyringNeeds {
    return this.found.needs;
  }

  /** The relay that keeps it, and the package's id; null for files on this computer. */
  get stored(): { relay: string; packageId: string } | null {
    const { relay, needs } = this.found;
    return relay === null ? null : { relay, packageId: needs.package };
  }

  /** How long a password check takes on this computer, by a short measured run. */
  estimate(): Promise<{ milliseconds: number }> {
    return askKdf('estimate', this.found.needs.cost);
  }

  /**
   * Checks the password or identity and reads the list of files. Can be tried again.
   *
   * @throws SealiftError `wrong_password`, `password_needed`, `wrong_identity`, `bad_identity`, `identity_needed`,
   * `link_needed`, `pin_mismatch`, `damaged_…`, and `cancelled` when the signal aborts.
   */
  async unlock({ password, identity }: Credential = {}, options: { signal?: AbortSignal } = {}): Promise<Contents> {
    const { worker, keyring, link, needs, relay } = this.found;
    if (!identity && this.needs === 'password' && !password) throw new SealiftError('password_needed');
    if (!identity && this.needs === 'identity') throw new SealiftError('identity_needed');
    if (this.needs === 'link') throw new SealiftError('link_needed');
    // Started by the page: Firefox can hang for good in a worker that starts another one while the page starts one too.
    const keys = await (identity ? startRecipients() : startKdf());
    const stop = () => keys.end();
    options.signal?.addEventListener('abort', stop, { once: true });
    try {
      options.signal?.throwIfAborted();
      const key = await keys.call<Bytes>('open', { keyring, identity, password: password || null, secret: link?.secret ?? null });
      await worker.call('unlock', key, [key.buffer]); // handed on, never looked at
    } finally {
      keys.end();
      options.signal?.removeEventListener('abort', stop);
    }
    this.openedBy = identity ? 'identity' : this.needs === 'password' ? 'password' : 'link';
    // Anybody can seal to a public key: what it opens is proved by the link alone (rules K3, L2).
    const sealedBy = identity ? 'unpinned' : 'password';
    this.contents = await (this.found.manifest ? this.readManifest(this.found.manifest, sealedBy) : this.readAlone(sealedBy));
    // Not by what an identity opened: anybody can make a keyring of any number for a public key.
    if (relay !== null && !identity) await rememberGeneration(needs.package, needs.generation);
    return this.contents;
  }

  /**
   * Saves some or all files. Call it and `start` in the click itself: the save dialog needs the gesture.
   *
   * `into` overrides where to; `auto` asks with a dialog where the browser has one.
   */
  download(entries: Entry[] | 'all', options: { into?: SaveInto } = {}): DownloadJob {
    if (!this.contents) throw new SealiftError('bad_usage');
    const chosen = entries === 'all' ? this.contents.entries : entries;
    const listed = chosen.map((entry) => this.listed.get(entry.id)).filter((entry) => entry !== undefined);
    const folders = entries === 'all' ? this.contents.folders : [];
    return new DownloadJob(this.found.worker, listed, folders, this.contents.title, options.into ?? 'auto');
  }

  /**
   * Address of the still encrypted package, or of one file with its manifest, for a plain browser download. Empty for
   * local files, which are that already.
   */
  encryptedUrl(entry?: Entry): string {
    const { relay, needs } = this.found;
    if (relay === null) return '';
    const place = entry && this.listed.get(entry.id)?.place;
    if (place?.kind === 'remote') return `${fileUrl(relay, needs.package, place.file)}.sealift`;
    return `${relay}/api/packages/${needs.package}/package.sealift`;
  }

  /** Forgets the keys and stops whatever runs. */
  close(): void {
    this.found.worker.end();
  }

  private async readManifest({ head, body }: { head: Bytes; body: Bytes }, sealedBy: Proof): Promise<Contents> {
    const { worker, link, places, relay } = this.found;
    const manifest = await worker.call<ManifestAnswer>('manifest', { head, body, pin: link?.pin ?? null });
    // The manifest lists exactly the files that are there; offline some may be missing, but none may be unlisted.
    const known = new Set(manifest.sealed.map(({ file }) => file));
    const unlisted = [...places.keys()].some((id) => !known.has(id));
    const missing = manifest.sealed.filter(({ file }) => !places.has(file)).length;
    if (unlisted || (relay !== null && missing > 0)) throw new SealiftError('content_mismatch');

    this.listed = new Map();
    for (const [index, file] of manifest.files.entries()) {
      const sealed = manifest.sealed[file.sealed]!;
      const place = places.get(sealed.file);
      if (!place) continue;
      const entry = asEntry(sealed.pack ? `${sealed.file}/${index}` : sealed.file, file);
      this.listed.set(entry.id, { entry, safe: file.safe, place, sealed: file.sealed, offset: file.offset, whole: !sealed.pack });
    }
    return this.list(manifest.title, manifest.note, manifest.folders, link ? 'link' : sealedBy, missing);
  }

  private async readAlone(sealedBy: Proof): Promise<Contents> {
    if (this.found.link) throw new SealiftError('pin_mismatch'); // a link pins a list, and there is none
    const [id, place] = [...this.found.places][0]!;
    const file = await this.found.worker.call<ManifestFile>('alone', place);
    const entry = asEntry(id, file);
    this.listed = new Map([[id, { entry, safe: file.safe, place, sealed: null, offset: 0, whole: true }]]);
    return this.list('', '', [], sealedBy, 0);
  }

  private list(title: string, note: string, folders: string[], proof: Contents['proof'], missing: number): Contents {
    const entries = [...this.listed.values()].map(({ entry }) => entry);
    const bytesTotal = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    return { title, note, entries, folders, bytesTotal, proof, missing };
  }
}

/**
 * Finds the package that a link names. Fetches keyring and manifest, nothing else.
 *
 * A link without its fragment finds only what an identity opens, and then nothing says which content it stands for.
 *
 * @throws SealiftError `cut_link`, `bad_link`, `not_found`, `expired`, `not_complete`, `package_mismatch`, `old_keyring`,
 * `network_lost`.
 */
export async function openLink(text: string): Promise<Package> {
  const worker = await startOpener();
  try {
    const bare = text.includes('#') ? null : bareLink(text);
    const link = bare ? null : await worker.call<ReceiveLink>('readLink', withoutQuery(text));
    const { relay, package: id } = (bare ?? link)!;
    const info = await packageInfo(relay, id);
    const manifest = info.files.find(({ role }) => role === 'manifest');
    if (info.state !== 'finished' || !manifest) throw new SealiftError('not_complete');
    const [keyring, sealed] = await Promise.all([
      fetchBytes(`${relay}/api/packages/${id}/keyring`, KEYRING_BYTES_MAX),
      fetchBytes(fileUrl(relay, id, manifest.id), MANIFEST_BYTES_MAX),
    ]);
    if (sealed.length !== manifest.headBytes + manifest.bodyBytes) throw new SealiftError('cut_short');
    const needs = await worker.call<KeyringNeeds>('inspect', keyring);
    if (needs.package !== id) throw new SealiftError('package_mismatch');
    if (bare && !needs.slots.every(({ kind }) => kind === 'recipient')) throw new SealiftError('cut_link');
    await checkGeneration(id, needs.generation);
    const places = new Map<string, SealedPlace>();
    for (const { id: file, role, headBytes } of info.files) {
      if (role === 'content') places.set(file, { kind: 'remote', relay, package: id, file, headBytes });
    }
    return new Package({
      worker, keyring, needs, link, relay, places,
      manifest: { head: sealed.slice(0, manifest.headBytes), body: sealed.slice(manifest.headBytes) },
      storedBytes: info.storedBytes,
      expiresAt: info.expiresAt,
    });
  } catch (error) {
    worker.end();
    throw SealiftError.from(error);
  }
}

/**
 * Opens `.sealift` files on this computer, without network: a whole package, or files kept from one.
 *
 * With `link` the content is also compared with what the link pins.
 *
 * @throws SealiftError `not_sealed`, `cut_short`, `damaged_…`, `package_mismatch`, `content_mismatch` (a file twice),
 * `file_missing` (several files without their manifest).
 */
export async function openFiles(files: File[], options: { link?: string } = {}): Promise<Package> {
  if (files.length === 0) throw new SealiftError('bad_usage');
  const worker = await startOpener();
  try {
    const link = options.link ? await worker.call<ReceiveLink>('readLink', withoutQuery(options.link)) : null;
    const places = new Map<string, SealedPlace>();
    let manifest: Found['manifest'] = null;
    let first: Layout | null = null;
    for (const source of files) {
      const layout = await worker.call<Layout>('layout', source);
      first ??= layout;
      if (layout.package !== first.package || (link && link.package !== layout.package)) throw new SealiftError('package_mismatch');
      for (const { file, role, head, body } of layout.files) {
        if (role === 'manifest') {
          const found = { head: await slice(source, head), body: await slice(source, body) };
          if (manifest && !(same(manifest.head, found.head) && same(manifest.body, found.body))) throw new SealiftError('content_mismatch');
          manifest = found;
        } else if (places.has(file)) {
          throw new SealiftError('content_mismatch');
        } else {
          places.set(file, { kind: 'local', source, head, body });
        }
      }
    }
    if (!manifest && places.size !== 1) throw new SealiftError('file_missing');
    const keyring = first!.keyringBytes;
    return new Package({
      worker, keyring, link, manifest, places, relay: null,
      needs: await worker.call<KeyringNeeds>('inspect', keyring),
      storedBytes: files.reduce((sum, { size }) => sum + size, 0),
      expiresAt: null,
    });
  } catch (error) {
    worker.end();
    throw SealiftError.from(error);
  }
}

/** Where a link without its fragment leads. */
function bareLink(text: string): { relay: string; package: string } {
  const { origin, pathname } = new URL(text);
  const id = /^\/p\/([\w-]+)\/?$/.exec(pathname)?.[1];
  if (!id) throw new SealiftError('bad_link');
  return { relay: origin, package: id };
}

async function startOpener(): Promise<Caller> {
  const lacking = checkEnvironment();
  if (lacking) throw lacking;
  void clearStaging();
  const { worker, module } = await startCore('open');
  const caller = new Caller(worker);
  await caller.call('start', module);
  return caller;
}

async function fetchBytes(url: string, bytesMax: number): Promise<Bytes> {
  return readAtMost(await ask(url), bytesMax);
}

async function slice(source: File, [start, end]: [number, number]): Promise<Bytes> {
  return new Uint8Array(await source.slice(start, end).arrayBuffer());
}

function same(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function asEntry(id: string, { path, bytes, modified, type }: ManifestFile): Entry {
  return { id, path, bytes, modified: modified === null ? null : new Date(modified), type };
}
