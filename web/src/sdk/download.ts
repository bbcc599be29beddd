/**
 * Brings files of an opened package onto this computer.
 *
 * Files are opened as they arrive, and none is shown as finished before its seal is verified.
 */
import type { Caller } from '../worker/calls';
import type { FileToSave, SaveOrder, SaveReport, SealedPlace } from '../worker/open-messages';
import type { InArchive, Outcome, Target } from '../worker/sinks';
import { zipBytes } from '../worker/zip';
import { SealiftError } from './error';
import { BLOB_BYTES_MAX, canStage, canStream, handOver, handOverStaged, pickFile, pickFolder, startStream } from './saving';
import { noProgress, type DownloadState, type Entry, type Progress, type SaveInto } from './types';

/** An entry, and where its bytes lie. */
export interface Listed {
  entry: Entry;
  /** Its path, made safe for saving. */
  safe: string;
  place: SealedPlace;
  sealed: number | null;
  offset: number;
  /** Whether it is a sealed file by itself and not a member of a pack. */
  whole: boolean;
}

/** How far the rate looks back. */
const RATE_MS = 3000;

let jobs = 0;

/** One download. Events: `state`, `progress`, `notice` (detail `{code, message}`; it goes on by itself). */
export class DownloadJob extends EventTarget {
  state: DownloadState = 'idle';
  progress: Progress;
  error: SealiftError | null = null;
  /** Which way was taken; null before it is known. */
  savingInto: Exclude<SaveInto, 'auto'> | null = null;

  private readonly job = ++jobs;
  private readonly samples: { at: number; bytes: number }[] = [];
  private stopStream: (() => void) | null = null;
  /** A person has cancelled: perhaps while a dialog or a stream is waited for, of which the worker knows nothing. */
  private readonly called = new AbortController();

  /** `title` names the archive, when one is made. */
  constructor(
    private readonly worker: Caller,
    private readonly listed: Listed[],
    private readonly folders: string[],
    private readonly title: string,
    private readonly into: SaveInto,
  ) {
    super();
    this.progress = noProgress(listed.reduce((sum, { entry }) => sum + entry.bytes, 0), listed.length);
  }

  /**
   * Opens the dialog, if there is one, and saves. Settles when everything is received, or with the error that stands
   * in `error`. A closed dialog is `cancelled`.
   */
  async start(): Promise<void> {
    if (this.state !== 'idle') throw new SealiftError('bad_usage');
    this.enter('running');
    const listening = this.worker.listen<SaveReport>((report) => report.job === this.job && void this.heard(report));
    try {
      await this.save(await this.unlessCancelled(this.pick()));
      await this.handedOver;
      this.enter('received');
    } catch (thrown) {
      this.error = SealiftError.from(thrown);
      this.enter(this.error.code === 'cancelled' ? 'cancelled' : 'failed');
      throw this.error;
    } finally {
      listening();
      this.stopStream?.();
    }
  }

  pause(): void {
    if (this.state !== 'running') return;
    this.enter('paused');
    void this.worker.call('pause', this.job);
  }

  resume(): void {
    if (this.state !== 'paused') return;
    this.enter('running');
    void this.worker.call('resume', this.job);
  }

  cancel(): void {
    if (this.state !== 'running' && this.state !== 'paused' && this.state !== 'verifying') return;
    this.called.abort();
    void this.worker.call('cancel', this.job);
  }

  private unlessCancelled<T>(waited: Promise<T>): Promise<T> {
    const { signal } = this.called;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new SealiftError('cancelled'));
      signal.addEventListener('abort', stop, { once: true });
      waited.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    });
  }

  /** The dialog first: it needs the click. Then the tiers, by trying. */
  private async pick(): Promise<Picked> {
    const { into, listed } = this;
    const alone = this.isAlone();
    if (into === 'file' && !alone) throw new SealiftError('bad_usage');
    if (into === 'file' || (into === 'auto' && alone)) {
      const file = await pickFile(baseName(listed[0]!.safe));
      if (file) return { kind: 'file', file };
      if (into === 'file') throw new SealiftError('write_failed');
    }
    if (into === 'folder' || (into === 'auto' && !alone)) {
      const folder = await pickFolder();
      if (folder) return { kind: 'folder', folder };
      if (into === 'folder') throw new SealiftError('write_failed');
    }
    const bytes = alone ? this.progress.bytesTotal : this.archiveBytes();
    if (into === 'opfs' || (into === 'auto' && (await canStage(bytes)))) return { kind: 'opfs' };
    if (into === 'stream' || (into === 'auto' && canStream() && bytes > BLOB_BYTES_MAX)) return { kind: 'stream' };
    if (bytes > BLOB_BYTES_MAX) throw new SealiftError('too_large_here');
    return { kind: 'blob' };
  }

  private isAlone(): boolean {
    return this.listed.length === 1 && this.folders.length === 0;
  }

  private archiveBytes(): number {
    const files = this.listed.map(({ safe, entry }) => ({ path: safe, bytes: entry.bytes, modified: null }));
    return zipBytes([...this.folders.map((path) => ({ path: `${path}/`, bytes: 0, modified: null })), ...files]);
  }

  private async save(picked: Picked): Promise<void> {
    this.savingInto = picked.kind;
    this.tell('state');
    if (picked.kind === 'file') return this.run(filesToSave(this.listed, () => ({ kind: 'file', handle: picked.file })));
    if (picked.kind === 'folder') {
      const handle = picked.folder;
      const folders = this.folders.map((path) => ({ root: handle, path }));
      return this.run(filesToSave(this.listed, ({ safe }) => ({ kind: 'folder', handle, path: safe })), { folders });
    }
    // Without a dialog there is one file to hand over: the one, or an archive of all.
    const target = await this.unlessCancelled(this.openTarget(picked.kind));
    const transfer = target.kind === 'stream' ? [target.port] : [];
    if (this.isAlone()) return this.run(filesToSave(this.listed, () => target), { transfer });
    const files = filesToSave(this.listed, ({ safe, entry }) => ({ kind: 'zip', path: safe, modified: entry.modified?.getTime() ?? null }));
    const folders = this.folders.map((path) => ({ root: null, path }));
    return this.run(files, { folders, transfer, archive: target });
  }

  private async openTarget(kind: 'opfs' | 'stream' | 'blob'): Promise<Target> {
    if (kind !== 'stream') return { kind };
    const bytes = this.isAlone() ? this.progress.bytesTotal : this.archiveBytes();
    const { port, stop } = await startStream(this.fileName(), bytes);
    this.stopStream = stop;
    if (this.called.signal.aborted) {
      stop();
      port.postMessage({ error: true }); // the browser's own download ends with it
    }
    return { kind, port };
  }

  private fileName(): string {
    if (this.isAlone()) return baseName(this.listed[0]!.safe);
    return `${this.title.replace(/[\\/:*?"<>|\p{C}]/gu, '_').trim().slice(0, 80) || 'files'}.zip`;
  }

  private run(files: FileToSave[], more: { folders?: SaveOrder['folders']; archive?: Target; transfer?: Transferable[] } = {}): Promise<void> {
    const { folders = [], archive = null, transfer = [] } = more;
    const saved = this.worker.call<void>('save', { job: this.job, files, folders, archive } satisfies SaveOrder, transfer);
    if (this.state === 'paused') void this.worker.call('pause', this.job); // while it was set up
    return saved;
  }

  private handedOver: Promise<void> = Promise.resolve();

  private heard({ bytesDone, filesDone, what }: SaveReport): void {
    this.count(bytesDone, filesDone);
    if (what.type === 'verifying' && this.state === 'running') this.enter('verifying');
    if (what.type === 'file' && this.state === 'verifying') this.enter('running');
    if (what.type === 'file' || what.type === 'archive') {
      this.handedOver = this.handedOver.then(() => handOverOutcome(what.outcome, this.fileName()));
      this.handedOver.catch(() => {}); // told when it is awaited
    }
    if (what.type === 'notice') {
      const { code, message } = new SealiftError(what.code);
      this.samples.length = 0; // it stands: what it was before says nothing
      this.progress = { ...this.progress, bytesPerSecond: 0, secondsLeft: null };
      this.tell('progress');
      this.tell('notice', { code, message });
    }
  }

  private count(bytesDone: number, filesDone: number): void {
    const at = performance.now();
    this.samples.push({ at, bytes: bytesDone });
    while (this.samples.length > 2 && at - this.samples[0]!.at > RATE_MS) this.samples.shift();
    const oldest = this.samples[0]!;
    const seconds = (at - oldest.at) / 1000;
    const bytesPerSecond = seconds > 0 ? Math.round((bytesDone - oldest.bytes) / seconds) : this.progress.bytesPerSecond;
    const left = this.progress.bytesTotal - bytesDone;
    const secondsLeft = bytesPerSecond > 0 ? left / bytesPerSecond : null;
    this.progress = { ...this.progress, bytesDone, filesDone, bytesPerSecond, secondsLeft };
    this.tell('progress');
  }

  private enter(state: DownloadState): void {
    if (this.state === state) return;
    this.state = state;
    this.tell('state');
  }

  private tell(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

type Picked =
  | { kind: 'file'; file: FileSystemFileHandle }
  | { kind: 'folder'; folder: FileSystemDirectoryHandle }
  | { kind: 'opfs' | 'stream' | 'blob' };

/** One order for each sealed file: the members of a pack come out of one fetch. */
function filesToSave(listed: Listed[], target: (entry: Listed) => Target | InArchive): FileToSave[] {
  const files = new Map<SealedPlace, FileToSave>();
  for (const one of listed) {
    const file = files.get(one.place) ?? { place: one.place, sealed: one.sealed, members: [] };
    files.set(one.place, file);
    const { entry, offset, whole } = one;
    file.members.push({ entry: entry.id, target: target(one), offset, bytes: entry.bytes, whole });
  }
  return [...files.values()];
}

async function handOverOutcome(outcome: Outcome, name: string): Promise<void> {
  if (outcome.kind === 'staged') await handOverStaged(outcome.name, name);
  if (outcome.kind === 'blob') handOver(outcome.blob, name);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
