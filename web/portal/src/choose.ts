/** How files get onto a page: dropped anywhere, pasted, or picked. */
import { filesFromDirectory, filesFromDrop, filesFromInput, SealiftError, type SourceFile } from '../../src/sdk';
import { button, input, part } from './dom';

export interface Chosen {
  files: SourceFile[];
  folders: string[];
}

export interface Chooser {
  /** Called with what was chosen; never with nothing. */
  take: (chosen: Chosen) => void;
  failed: (error: SealiftError) => void;
  /** Whether drops and pastes are wanted now, on the screen that is shown. */
  welcome: () => boolean;
}

/**
 * Wires the drop zone (the whole page), paste, and the buttons of the page that exist. The answer settles when all that
 * was chosen before has been taken: walking through a folder takes its time.
 */
export function wireChoosing(chooser: Chooser): () => Promise<unknown> {
  const walks = new Set<Promise<void>>();
  const settle = (chosen: Promise<Chosen>): void => {
    const walk = chosen
      .then(
        (found) => {
          if (found.files.length + found.folders.length > 0) chooser.take(found);
        },
        (error: unknown) => chooser.failed(SealiftError.from(error, 'file_unreadable')),
      )
      .finally(() => walks.delete(walk));
    walks.add(walk);
  };
  wireDrop(chooser, settle);
  wirePaste(chooser);
  wirePicker('add-files', 'pick-files', chooser);
  if (document.getElementById('add-folder')) wireFolderPicker(chooser, settle);
  return () => Promise.all(walks);
}

function wireDrop(chooser: Chooser, settle: (chosen: Promise<Chosen>) => void): void {
  const over = part('drop-over');
  const wanted = (event: DragEvent): boolean => chooser.welcome() && (event.dataTransfer?.types.includes('Files') ?? false);
  // Entering a child fires before leaving its parent, so a count tells when the pointer is really gone.
  let depth = 0;
  addEventListener('dragenter', (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    depth += 1;
    over.hidden = false;
  });
  addEventListener('dragover', (event) => {
    // A file dropped on a page that does not want it would replace the page: refused everywhere.
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = wanted(event) ? 'copy' : 'none';
  });
  addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) over.hidden = true;
  });
  addEventListener('drop', (event) => {
    depth = 0;
    over.hidden = true;
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    if (wanted(event)) settle(filesFromDrop(event));
  });
}

function wirePaste(chooser: Chooser): void {
  addEventListener('paste', (event) => {
    const list = event.clipboardData?.files;
    if (!list?.length || !chooser.welcome()) return;
    event.preventDefault();
    chooser.take({ files: filesFromInput(list), folders: [] });
  });
}

/** A button that opens the file dialog of a hidden input. */
function wirePicker(buttonId: string, inputId: string, chooser: Chooser): void {
  const picker = input(inputId);
  button(buttonId).addEventListener('click', () => picker.click());
  picker.addEventListener('change', () => {
    const files = picker.files ? filesFromInput(picker.files) : [];
    picker.value = ''; // So that choosing the same file again is a change again.
    if (files.length > 0) chooser.take({ files, folders: [] });
  });
}

/** The directory picker where there is one, since it shows empty folders; `webkitdirectory` elsewhere. */
function wireFolderPicker(chooser: Chooser, settle: (chosen: Promise<Chosen>) => void): void {
  const picker = input('pick-folder');
  picker.addEventListener('change', () => {
    const files = picker.files ? filesFromInput(picker.files) : [];
    picker.value = '';
    if (files.length > 0) chooser.take({ files, folders: [] });
  });
  button('add-folder').addEventListener('click', () => {
    const pick = (window as { showDirectoryPicker?: () => Promise<FileSystemDirectoryHandle> }).showDirectoryPicker;
    if (!pick) return picker.click();
    pick.call(window).then(
      (handle) => settle(filesFromDirectory(handle)),
      (error: unknown) => {
        // Dismissed by the person, or not allowed here (inside a frame): the older way asks again only for the second.
        if ((error as DOMException).name !== 'AbortError') picker.click();
      },
    );
  });
}
