/**
 * Files and folders out of a drop, a directory picker or an input.
 *
 * A drop gives its handles and entries only while the event lasts, so both are asked for synchronously: handles first,
 * because Chromium cannot read entries of a folder on `file://`, entries second, for browsers without handles.
 */
import type { SourceFile } from './types';

export interface Dropped {
  files: SourceFile[];
  /** Folders with nothing in them. */
  folders: string[];
}

/** Everything dropped, folders walked, empty folders named. Must be called inside the drop event itself. */
export async function filesFromDrop(event: DragEvent): Promise<Dropped> {
  const items = Array.from(event.dataTransfer?.items ?? []).filter((item) => item.kind === 'file');
  const handles = items.map((item) => item.getAsFileSystemHandle?.() ?? null);
  const entries = items.map((item) => item.webkitGetAsEntry());
  const plain = items.map((item) => item.getAsFile());

  const found: Dropped = { files: [], folders: [] };
  for (let i = 0; i < items.length; i++) {
    const handle = await Promise.resolve(handles[i]).catch(() => null);
    const entry = entries[i];
    const file = plain[i];
    if (handle) await walkHandle(handle, '', found);
    else if (entry) await walkEntry(entry, '', found);
    else if (file) found.files.push({ path: file.name, file });
  }
  return found;
}

/** The same for a folder picked with `showDirectoryPicker` (which shows empty folders; `webkitdirectory` never does). */
export async function filesFromDirectory(root: FileSystemDirectoryHandle): Promise<Dropped> {
  const found: Dropped = { files: [], folders: [] };
  await walkHandle(root, '', found);
  return found;
}

/** The same for the files of an `<input type=file>`, with or without `webkitdirectory`. */
export function filesFromInput(list: FileList): SourceFile[] {
  return Array.from(list, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function walkHandle(handle: FileSystemHandle, prefix: string, found: Dropped): Promise<void> {
  const path = prefix + handle.name;
  if (handle.kind === 'file') {
    found.files.push({ path, file: await (handle as FileSystemFileHandle).getFile() });
    return;
  }
  let empty = true;
  const children = (handle as FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> }).values();
  for await (const child of children) {
    empty = false;
    await walkHandle(child, `${path}/`, found);
  }
  if (empty) found.folders.push(path);
}

async function walkEntry(entry: FileSystemEntry, prefix: string, found: Dropped): Promise<void> {
  const path = prefix + entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.files.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  let empty = true;
  for (;;) {
    // A call hands out some entries only (100 in Chromium); the end is an empty answer.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    empty = false;
    for (const child of some) await walkEntry(child, `${path}/`, found);
  }
  if (empty) found.folders.push(path);
}

declare global {
  interface DataTransferItem {
    getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
  }
}
