/**
 * Ways to save an opened file, from the best one a browser has to the last one; decided by trying, never by its name.
 *
 * A save dialog writes straight to where the person wants it. Without one, a file is put together in the origin's
 * private file system and handed over when it is verified; where that is refused (private windows), the service worker
 * streams it; and small ones fit into memory.
 */
import { registerServiceWorker } from '../worker/assets';
import { STAGING, stagedLock } from '../worker/sinks';
import { SealiftError } from './error';

/** Chromium cancels downloads of larger blobs. */
export const BLOB_BYTES_MAX = 256 << 20;
/** Where a browser has no locks, staged files are removed after so long: nothing tells when it has copied one. */
const STAGED_MS_MAX = 24 * 3600 * 1000;
/** Room that must stay free beside a staged file. */
const QUOTA_MARGIN_BYTES = 64 << 20;
/** Firefox ends a service worker that nobody talks to after 30 seconds. */
const PING_MS = 5000;

interface Pickers {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { mode: 'readwrite' }): Promise<FileSystemDirectoryHandle>;
}

/** A dialog for one file. Null: there is none here, or not now. Must be called in the click. */
export function pickFile(name: string): Promise<FileSystemFileHandle | null> {
  const { showSaveFilePicker } = window as Pickers;
  return picked(showSaveFilePicker?.({ suggestedName: name }));
}

/** A dialog for a folder. Null: there is none here, or not now. Must be called in the click. */
export function pickFolder(): Promise<FileSystemDirectoryHandle | null> {
  const { showDirectoryPicker } = window as Pickers;
  return picked(showDirectoryPicker?.({ mode: 'readwrite' }));
}

async function picked<T>(dialog: Promise<T> | undefined): Promise<T | null> {
  try {
    return (await dialog) ?? null;
  } catch (error) {
    if ((error as DOMException).name === 'AbortError') throw new SealiftError('cancelled');
    return null; // not allowed here, such as in a frame of another site
  }
}

/** Whether so many bytes can be staged. */
export async function canStage(bytes: number): Promise<boolean> {
  try {
    await navigator.storage.getDirectory();
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return quota - usage > bytes + QUOTA_MARGIN_BYTES;
  } catch {
    return false;
  }
}

/** Whether a service worker can stream. */
export function canStream(): boolean {
  return 'serviceWorker' in navigator && location.protocol !== 'file:';
}

/** Hands a staged file to the browser's own download. */
export async function handOverStaged(name: string, saveAs: string): Promise<void> {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(STAGING);
  handOver(await (await folder.getFileHandle(name)).getFile(), saveAs);
}

/** Hands a blob or file to the browser's own download. */
export function handOver(blob: Blob, saveAs: string): void {
  const url = URL.createObjectURL(blob);
  click(url, saveAs);
  setTimeout(() => URL.revokeObjectURL(url), STAGED_MS_MAX);
}

/** Removes what earlier downloads left: opened files that no page holds any more. */
export async function clearStaging(): Promise<void> {
  try {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(STAGING);
    const remove = (name: string) => folder.removeEntry(name).catch(() => {});
    for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
      if (navigator.locks) await navigator.locks.request(stagedLock(name), { ifAvailable: true }, (lock) => (lock ? remove(name) : undefined));
      else if (Date.now() - Number.parseInt(name, 10) > STAGED_MS_MAX) await remove(name);
    }
  } catch {
    // No private file system here, or nothing was ever staged.
  }
}

/** Starts a streamed download; what is written into the port arrives there. `stop` ends the pings. */
export async function startStream(saveAs: string, bytes: number): Promise<{ port: MessagePort; stop(): void }> {
  const active = await registerServiceWorker();
  const { port1, port2 } = new MessageChannel();
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
  const announced = new Promise((resolve) => (port1.onmessage = resolve));
  active.postMessage({ id, name: saveAs, bytes, port: port2 }, [port2]);
  await announced;
  port1.onmessage = null;
  click(`/streamed/${id}`);
  const timer = setInterval(() => active.postMessage('ping'), PING_MS);
  return { port: port1, stop: () => clearInterval(timer) };
}

function click(url: string, saveAs?: string): void {
  const link = document.createElement('a');
  link.href = url;
  if (saveAs !== undefined) link.download = saveAs;
  link.rel = 'noopener';
  document.body.append(link);
  link.click();
  link.remove();
}
