/**
 * A made-up SDK that moves nothing: it only walks through the states, so that each can be looked at.
 *
 * The state is named in the address, `?state=sending`; see states.ts for all of them.
 */
import { SealiftError } from '../../src/sdk/error';
import { noProgress, type Contents, type DownloadState, type Entry, type SaveInto, type SendOptions, type SendResult, type SendState, type SourceFile } from '../../src/sdk/types';

export { SealiftError };
export type * from '../../src/sdk/types';
export type { KeyringNeeds, KeySlot } from '../../src/worker/kdf-answers';
export async function clearStaging(): Promise<void> {}
export const versionEvents = new EventTarget();
if (state0() === 'outdated') setTimeout(() => versionEvents.dispatchEvent(new Event('outdated')), 50);

function state0(): string {
  return new URLSearchParams(location.search).get('state') ?? '';
}

const state = new URLSearchParams(location.search).get('state') ?? '';
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const DAY = 86_400_000;

export function checkEnvironment(): SealiftError | null {
  return state === 'environment_unsupported' ? new SealiftError('environment_unsupported') : null;
}

export interface ProtectionPolicy { mode: 'off' | 'optional' | 'required'; passwordRule: string | null }

export async function relayPolicy(): Promise<{ protection: ProtectionPolicy; uploadsOpen: boolean; expiryChoicesSeconds: number[]; expiryDefaultSeconds: number; packageBytesMax: number }> {
  if (state === 'client_too_old') throw new SealiftError(state);
  const mode = state === 'required' || state === 'off' ? state : 'optional';
  return {
    protection: { mode, passwordRule: mode === 'required' ? 'sealift' : null }, uploadsOpen: state !== 'not_allowed', expiryChoicesSeconds: [3_600, 86_400, 7 * 86_400, 30 * 86_400], expiryDefaultSeconds: 7 * 86_400, packageBytesMax: 4_398_046_511_104 };
}

export async function readSendLink(): Promise<string | null> {
  return 'grant';
}

export function filesFromInput(list: FileList): SourceFile[] {
  return Array.from(list, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

export async function filesFromDrop(event: DragEvent): Promise<{ files: SourceFile[]; folders: string[] }> {
  return { files: filesFromInput((event.dataTransfer as DataTransfer).files), folders: ['Photos/unsorted'] };
}

export async function filesFromDirectory(): Promise<{ files: SourceFile[]; folders: string[] }> {
  return { files: [], folders: [] };
}

export interface Strength { guessesLog2: number; score: 0 | 1 | 2 | 3 | 4; warning: string; suggestions: string[] }

export async function passwordStrength(password: string): Promise<Strength> {
  const score = Math.min(4, Math.floor(password.length / 4)) as Strength['score'];
  return { guessesLog2: password.length * 4, score, warning: score < 2 ? 'This is a very common password.' : '', suggestions: ['Add another word or two.'] };
}

export async function passwordRefusal(password: string): Promise<string> {
  return password.length < 12 ? 'Use at least 12 characters that are hard to guess.' : '';
}

export interface Recipient { text: string; fingerprint: string }
export interface Identity extends Recipient { file: string }

export async function readRecipients(text: string): Promise<Recipient[]> {
  if (!text.startsWith('sealift1')) throw new SealiftError('bad_recipient');
  return text.trim().split(/\s+/).map((line, nth) => ({ text: line, fingerprint: `2830 3f31 4363 7035 b3aa ca77 87ce ddf${nth}` }));
}

export async function makeIdentity(): Promise<Identity> {
  return { file: '# made up', text: `sealift1${'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.repeat(61)}`, fingerprint: '2830 3f31 4363 7035 b3aa ca77 87ce ddf0' };
}

export async function qrCode(): Promise<boolean[][]> {
  return Array.from({ length: 33 }, (_, y) => Array.from({ length: 33 }, (_, x) => x > 3 && y > 3 && x < 29 && y < 29 && (x * 7 + y * 11) % 3 === 0));
}

export async function relayReport(): Promise<object> {
  return { sealedBy: 'web/0.1.0 (recipients,rekey)', transports: ['webtransport', 'websocket'], docroot: 'archive', storage: { kind: 's3', sse: { algorithm: 'aws:kms', key: 'arn:aws:kms:eu-central-1:1:key/2f0c', verifiedAt: new Date() } }, keyringGeneration: 1, createdAt: new Date(), finishedAt: new Date() };
}

const KEYRING = {
  package: 'x', password: true, secret: false, identity: ['identity', 'both'].includes(state), cost: 1, generation: state === 'changed' ? 2 : 1,
  slots: [...(state === 'identity' ? [] : [{ kind: 'password', memory: 65_536, passes: 3 }]), ...(['identity', 'both', 'changed'].includes(state) ? [{ kind: 'recipient', memory: 0, passes: 0 }] : [])],
};

export async function generatePassword(): Promise<string> {
  return 'tundra-velvet-harbor-5-quartz-lemon';
}

class Walk extends EventTarget {
  progress = noProgress(2_400_000_000, 3);
  error: SealiftError | null = null;
  protected go(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
  protected at(share: number, rate = 46_300_000): void {
    const { bytesTotal } = this.progress;
    this.progress = { ...this.progress, bytesDone: bytesTotal * share, bytesPerSecond: rate, secondsLeft: rate ? (bytesTotal * (1 - share)) / rate : null };
    this.go('progress');
  }
}

export class SendJob extends Walk {
  state: SendState = 'idle';
  result: SendResult | null = null;
  manageLink: string | null = null;
  gone = false;
  #stop: (thrown: unknown) => void = () => undefined;
  constructor(readonly options: SendOptions) {
    super();
    const total = options.files.reduce((sum, { file }) => sum + file.size, 0);
    this.progress = noProgress(state === 'sending' ? 2_400_000_000 : total, options.files.length);
  }
  async start(): Promise<SendResult> {
    const never = new Promise<never>((_, reject) => (this.#stop = reject));
    return Promise.race([never, this.#walk(never)]);
  }
  async #walk(never: Promise<never>): Promise<SendResult> {
    this.#to('preparing');
    this.manageLink = 'https://send.example.org/manage/b9Qk2xWmT0ePz4hLr7VnAg#IR0c9yJm3vYw8kTqL2xZpUeN5hGdBsRoIiCaVfXtMjKlPnWuEzQy7H1D6Ag0bF4S2';
    this.go('created');
    if (state === 'preparing') return never;
    this.#to('deriving');
    if (state === 'deriving') return never;
    await wait(100);
    this.#to('sending');
    this.progress = { ...this.progress, transport: 'webtransport', lanes: 2 };
    this.go('transport', { transport: 'webtransport', reason: '' });
    this.at(0.42);
    if (state === 'sending') return never;
    if (state === 'fallback') {
      this.progress = { ...this.progress, transport: 'websocket' };
      this.go('transport', { transport: 'websocket', reason: 'webtransport_lost' });
      this.at(0.43);
      return never;
    }
    if (state === 'paused') return this.pause(), never;
    if (state === 'waiting') {
      this.progress = { ...this.progress, transport: null, lanes: 0 };
      this.#to('waiting');
      this.at(0.42, 0);
      return never;
    }
    if (state === 'session_busy') return this.go('notice', { code: state, message: new SealiftError(state).message }), never;
    if (['network_lost', 'file_changed', 'superseded', 'storage_full', 'password_required'].includes(state)) throw new SealiftError(state);
    this.#to('finishing');
    this.at(1);
    if (state === 'finishing') return never;
    await wait(100);
    this.#to('sent');
    const id = 'b9Qk2xWmT0ePz4hLr7VnAg';
    const secret = 'AQFr0c9yJm3vYw8kTqL2xZpUeN5hGdBsRoIiCaVfXtMjKlPnWuEzQy7H1D6Ag0bF4S2TtXvNqAk';
    return { packageId: id, receiveLink: `https://send.example.org/p/${id}#${secret}`, manageLink: `https://send.example.org/manage/${id}#${secret}Zk3`, expiresAt: new Date(Date.now() + 7 * DAY) };
  }
  #to(next: SendState): void {
    this.state = next;
    this.go('state');
  }
  pause(): void { this.#to('paused'); this.at(0.42, 0); }
  resume(): void { this.#to('sending'); this.at(0.43); }
  async cancel(): Promise<void> { this.#to('cancelled'); this.#stop(new SealiftError('cancelled')); }
  takeOver(): void { this.#to('sending'); }
}

export class DownloadJob extends Walk {
  state: DownloadState = 'idle';
  savingInto: SaveInto | null = null;
  #stop: (thrown: unknown) => void = () => undefined;
  async start(): Promise<void> {
    const never = new Promise<never>((_, reject) => (this.#stop = reject));
    return Promise.race([never, this.#walk(never)]);
  }
  async #walk(never: Promise<never>): Promise<void> {
    await wait(50);
    this.savingInto = 'folder';
    this.#to('running');
    this.at(0.64);
    if (state === 'downloading') return never;
    if (['damaged_content', 'cut_short', 'network_lost', 'write_failed', 'too_large_here'].includes(state)) throw new SealiftError(state);
    this.#to('verifying');
    this.at(1);
    if (state === 'verifying') return never;
    await wait(50);
    this.#to('received');
  }
  #to(next: DownloadState): void { this.state = next; this.go('state'); }
  pause(): void { this.#to('paused'); }
  resume(): void { this.#to('running'); }
  cancel(): void { this.#to('cancelled'); this.#stop(new SealiftError('cancelled')); }
}

function sample(): Contents {
  const entries: Entry[] = [];
  const add = (path: string, bytes: number): number => entries.push({ id: String(entries.length), path, bytes, modified: null, type: '' });
  if (state === 'many') for (let n = 1; n <= 2_000; n += 1) add(`Scans/page ${n}.tif`, 1_000_000 + n * 1_234);
  else {
    add('Contract 2026 – final.pdf', 1_834_201);
    add('Site visit/IMG_2041.MOV', 2_214_000_000);
    add('Site visit/IMG_2042.MOV', 871_200_000);
    add('Site visit/plans/ground floor.dwg', 48_120_400);
    add('ملف مهم.docx', 92_400);
    add('holiday\u202egpj.exe', 12);
    add(`${'very '.repeat(40)}long name.txt`, 0);
    add('<img src=x onerror=alert(1)>.html', 331);
  }
  return {
    title: state === 'untitled' ? '' : 'Plans for the harbour office',
    note: state === 'untitled' ? '' : 'Hello Mira,\nhere are the plans and both films from Tuesday. The contract needs your signature by Friday.\n– Jonas',
    entries, folders: ['Site visit/empty'], bytesTotal: entries.reduce((sum, { bytes }) => sum + bytes, 0), proof: location.pathname === '/open' ? 'password' : 'link', missing: state === 'missing' ? 2 : 0,
  };
}

export class Package {
  needs: 'password' | 'identity' | 'link' | 'nothing' = ['nothing', 'untitled'].includes(state) ? 'nothing' : state === 'identity' ? 'identity' : 'password';
  takesIdentity = ['identity', 'both'].includes(state);
  openedBy = 'password';
  keyring = KEYRING;
  stored = { relay: location.origin, packageId: 'x' };
  storedBytes = 3_221_225_472;
  expiresAt: Date | null = location.pathname === '/open' ? null : new Date(Date.now() + 6 * DAY);
  async estimate(): Promise<{ milliseconds: number }> { return { milliseconds: 2_100 }; }
  async unlock({ password }: { password?: string } = {}, options?: { signal?: AbortSignal }): Promise<Contents> {
    await wait(30);
    if (state === 'unlocking') await new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(new SealiftError('cancelled'))));
    if (password === 'wrong') throw new SealiftError('wrong_password');
    return sample();
  }
  download(): DownloadJob { return new DownloadJob(); }
  encryptedUrl(): string { return '/nothing'; }
}

const LOADING_FAILS = ['cut_link', 'not_found', 'expired', 'not_complete', 'network_lost', 'pin_mismatch', 'damaged_manifest', 'unknown_version'];

export async function openLink(): Promise<Package> {
  if (state === 'loading') await new Promise(() => undefined);
  if (state.startsWith('load_') && LOADING_FAILS.includes(state.slice(5))) throw new SealiftError(state.slice(5));
  return new Package();
}

export async function openFiles(_files: File[], options: { link?: string } = {}): Promise<Package> {
  if (state === 'load_cut_short') throw new SealiftError('cut_short');
  if (state === 'link_needed' && !options.link) throw new SealiftError('link_needed');
  return new Package();
}

export interface ManagedInfo { state: string; createdAt: Date; expiresAt: Date | null; storedBytes: number; filesCount: number }

export class ManagedPackage {
  async info(): Promise<ManagedInfo> {
    if (state === 'load_not_found') throw new SealiftError('not_found');
    return { state: state === 'unfinished' ? 'open' : 'finished', createdAt: new Date(Date.now() - DAY), expiresAt: state === 'unfinished' ? null : new Date(Date.now() + 6 * DAY), storedBytes: 3_221_225_472, filesCount: 4 };
  }
  async delete(): Promise<void> { await wait(50); }
  async keyring(): Promise<typeof KEYRING> { return KEYRING; }
  async opensByLink(): Promise<boolean> { return state === 'by_link'; }
  async unlock(password?: string): Promise<{ slot: number; keyring: typeof KEYRING }> {
    await wait(100);
    if (password === 'wrong') throw new SealiftError('wrong_password');
    return { slot: 0, keyring: KEYRING };
  }
  async change(): Promise<typeof KEYRING> {
    if (state === 'keyring_changed') throw new SealiftError(state);
    return KEYRING;
  }
  async undo(): Promise<typeof KEYRING> { return KEYRING; }
  async previous(): Promise<typeof KEYRING | null> { return state === 'changed' ? KEYRING : null; }
  async where(): Promise<{ relay: string; packageId: string }> { return { relay: location.origin, packageId: 'x' }; }
  lock(): void {}
}

export async function readManageLink(): Promise<ManagedPackage> { return new ManagedPackage(); }
