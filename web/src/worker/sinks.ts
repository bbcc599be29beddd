/**
 * Where opened bytes go. A sink shows nothing as finished before `finish`, or it says that it cannot hold back.
 *
 * Pull and not push: `write` settles when the sink can take more.
 */
import { SealiftError } from '../sdk/error';

type Bytes = Uint8Array<ArrayBuffer>;

export interface Sink {
  /** Whether bytes are out of our hands once written: then the last ones wait until the seal is verified (rule P2). */
  readonly streams: boolean;
  /** The bytes must not be changed before it settles. */
  write(bytes: Bytes): Promise<void>;
  finish(): Promise<Outcome>;
  /** Leaves nothing behind that looks finished. */
  abort(): Promise<void>;
}

/** What the page has to do with a finished file. */
export type Outcome = { kind: 'saved' } | { kind: 'staged'; name: string } | { kind: 'blob'; blob: Blob };

/** Where a file is to be saved; what a page posts. */
export type Target =
  | { kind: 'file'; handle: FileSystemFileHandle }
  | { kind: 'folder'; handle: FileSystemDirectoryHandle; path: string }
  | { kind: 'opfs' }
  | { kind: 'stream'; port: MessagePort }
  | { kind: 'blob' };

/** A place in the archive that a download is put into. */
export interface InArchive {
  kind: 'zip';
  path: string;
  modified: number | null;
}

/** Folder of the origin's private file system in which downloads are put together. */
export const STAGING = 'sealift-downloads';

export async function openSink(target: Target): Promise<Sink> {
  try {
    switch (target.kind) {
      case 'file':
        return await fileSink(target.handle);
      case 'folder':
        return await fileSink(await createIn(target.handle, target.path));
      case 'opfs':
        return await stagingSink();
      case 'stream':
        return streamSink(target.port);
      case 'blob':
        return blobSink();
    }
  } catch (error) {
    throw SealiftError.from(error, 'write_failed');
  }
}

/** Creates folders on the way, in a folder that a person picked. */
export async function createFolder(root: FileSystemDirectoryHandle, path: string): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const name of path.split('/').filter(Boolean)) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** Paths given away in a folder, also while their files are not there yet: several are saved side by side. */
const given = new WeakMap<FileSystemDirectoryHandle, Set<string>>();
const COPIES_MAX = 1000;

/** A new file under this path; one that is there already is kept and the new one gets a number. */
async function createIn(root: FileSystemDirectoryHandle, path: string): Promise<FileSystemFileHandle> {
  const steps = path.split('/');
  let name = steps.pop()!;
  const folder = await createFolder(root, steps.join('/'));
  if ((await look(folder, name)) === 'refused') name += '_'; // browsers refuse some endings, such as `.url`
  const mine = given.get(root) ?? new Set();
  given.set(root, mine);
  for (let n = 1; n <= COPIES_MAX; n++) {
    const free = n === 1 ? name : numbered(name, n);
    const full = [...steps, free].join('/');
    const found = mine.has(full) ? 'taken' : await look(folder, free);
    if (found === 'taken' || mine.has(full)) continue;
    if (found === 'refused') break;
    mine.add(full);
    return folder.getFileHandle(free, { create: true });
  }
  throw new SealiftError('write_failed');
}

/** Whether a name is free in a folder, taken by a file or folder, or one that the browser does not allow. */
async function look(folder: FileSystemDirectoryHandle, name: string): Promise<'free' | 'taken' | 'refused'> {
  try {
    await folder.getFileHandle(name);
    return 'taken';
  } catch (error) {
    switch ((error as DOMException).name) {
      case 'NotFoundError':
        return 'free';
      case 'TypeMismatchError':
        return 'taken';
      case 'TypeError':
        return 'refused';
      default:
        throw error;
    }
  }
}

/** `report.pdf`, 2 gives `report (2).pdf`. */
function numbered(name: string, n: number): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)} (${n})${name.slice(dot)}` : `${name} (${n})`;
}

/** The browser writes beside the file and moves it into place at `close`; `abort` leaves nothing. */
async function fileSink(handle: FileSystemFileHandle): Promise<Sink> {
  const writable = await handle.createWritable();
  return {
    streams: false,
    write: (bytes) => writable.write(bytes).catch(writeFailed),
    finish: async () => {
      await writable.close().catch(writeFailed);
      return { kind: 'saved' };
    },
    abort: async () => {
      await writable.abort().catch(() => {});
      // An empty file that was created for this download would look like one that was received.
      if ((await handle.getFile().catch(() => null))?.size === 0) await (handle as { remove?(): Promise<void> }).remove?.().catch(() => {});
    },
  };
}

interface SyncHandle {
  write(bytes: Bytes): number;
  flush(): void;
  close(): void;
}

/** Put together in the origin's private file system, and handed over by the page when it is verified. */
async function stagingSink(): Promise<Sink> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(STAGING, { create: true });
  const name = `${Date.now()}-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
  const file = (await folder.getFileHandle(name, { create: true })) as FileSystemFileHandle & {
    createSyncAccessHandle(): Promise<SyncHandle>;
  };
  const handle = await file.createSyncAccessHandle();
  hold(name);
  return {
    streams: false,
    async write(bytes) {
      try {
        for (let done = 0; done < bytes.length; ) done += handle.write(bytes.subarray(done));
      } catch (error) {
        writeFailed(error);
      }
    },
    async finish() {
      try {
        handle.flush();
      } catch (error) {
        writeFailed(error);
      }
      handle.close();
      return { kind: 'staged', name };
    },
    async abort() {
      handle.close();
      await folder.removeEntry(name).catch(() => {});
    },
  };
}

/**
 * Keeps a staged file from being cleared away, as long as this worker lives. No event tells when the browser has copied
 * it to where the person wants it, so it stays until the page is closed, and the next page removes it.
 */
function hold(name: string): void {
  void navigator.locks?.request(stagedLock(name), () => new Promise(() => {}));
}

/** The lock that says that a staged file is in use. */
export function stagedLock(name: string): string {
  return `${STAGING}/${name}`;
}

/** Given to the service worker piece by piece, as it asks. */
function streamSink(port: MessagePort): Sink {
  let asked: (() => void) | null = null;
  let requests = 0;
  let closed: SealiftError | null = null;
  let confirmed: (() => void) | null = null;
  port.onmessage = ({ data }: MessageEvent<'pull' | 'cancel' | 'closed'>) => {
    if (data === 'pull') requests++;
    if (data === 'cancel') closed = new SealiftError('cancelled');
    if (data === 'closed') confirmed?.();
    asked?.();
  };
  const wanted = async () => {
    while (requests === 0 && !closed) await new Promise<void>((resolve) => (asked = resolve));
    if (closed) throw closed;
    requests--;
  };
  return {
    streams: true,
    async write(bytes) {
      await wanted();
      const copy = bytes.slice();
      port.postMessage({ bytes: copy }, [copy.buffer]);
    },
    async finish() {
      await wanted();
      const done = new Promise<void>((resolve) => (confirmed = resolve));
      port.postMessage({ end: true });
      await done;
      port.close();
      return { kind: 'saved' };
    },
    async abort() {
      closed ??= new SealiftError('cancelled');
      asked?.();
      port.postMessage({ error: true });
    },
  };
}

/** Collected in memory; the page allows it for small files only. */
function blobSink(): Sink {
  let parts: Blob[] = [];
  return {
    streams: false,
    async write(bytes) {
      parts.push(new Blob([bytes])); // out of this worker's memory at once
    },
    async finish() {
      return { kind: 'blob', blob: new Blob(parts, { type: 'application/octet-stream' }) };
    },
    async abort() {
      parts = [];
    },
  };
}

function writeFailed(cause: unknown): never {
  throw new SealiftError('write_failed', undefined, { cause });
}
