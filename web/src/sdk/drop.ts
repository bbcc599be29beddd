/** Files and folders out of a drop. */
import type { SourceFile } from './types';

/** Everything dropped, folders walked, empty folders named. Must be called inside the drop event itself. */
export async function filesFromDrop(_event: DragEvent): Promise<{ files: SourceFile[]; folders: string[] }> { return { files: [], folders: [] }; }

/** The same for a folder picked with `showDirectoryPicker` (which shows empty folders; `webkitdirectory` never does). */
export async function filesFromDirectory(_root: FileSystemDirectoryHandle): Promise<{ files: SourceFile[]; folders: string[] }> { return { files: [], folders: [] }; }

/** The same for the files of an `<input type=file>`, with or without `webkitdirectory`. */
export function filesFromInput(list: FileList): SourceFile[] {
  return Array.from(list, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}
