/** A flat list of paths as a tree of folders, with sizes and counts summed up. Knows nothing of the page. */

/** What a list shows of one file; `item` is the caller's own. */
export interface Listed<T> {
  path: string;
  bytes: number;
  item: T;
}

export interface Leaf<T> {
  readonly kind: 'file';
  readonly name: string;
  readonly bytes: number;
  readonly item: T;
  readonly parent: Folder<T>;
}

export interface Folder<T> {
  readonly kind: 'folder';
  readonly name: string;
  readonly path: string;
  readonly parent: Folder<T> | null;
  readonly folders: Map<string, Folder<T>>;
  readonly files: Leaf<T>[];
  /** Of everything below. */
  bytes: number;
  fileCount: number;
}

export type Node<T> = Leaf<T> | Folder<T>;

/** The root folder, whose name is empty. `emptyFolders` are the folders that no file names. */
export function grow<T>(files: Iterable<Listed<T>>, emptyFolders: Iterable<string> = []): Folder<T> {
  const root = folder<T>('', '', null);
  for (const { path, bytes, item } of files) {
    const cut = path.lastIndexOf('/');
    const parent = cut < 0 ? root : descend(root, path.slice(0, cut));
    parent.files.push({ kind: 'file', name: path.slice(cut + 1), bytes, item, parent });
    for (let up: Folder<T> | null = parent; up; up = up.parent) {
      up.bytes += bytes;
      up.fileCount += 1;
    }
  }
  for (const path of emptyFolders) descend(root, path);
  return root;
}

/** Folders first, then files, each by name as a person sorts them (`2` before `10`). */
export function children<T>(of: Folder<T>): Node<T>[] {
  const byName = (a: Node<T>, b: Node<T>): number => order().compare(a.name, b.name);
  return [...[...of.folders.values()].sort(byName), ...[...of.files].sort(byName)];
}

/** Every file below, in no particular order. */
export function* leaves<T>(of: Node<T>): Generator<Leaf<T>> {
  if (of.kind === 'file') yield of;
  else {
    yield* of.files;
    for (const inner of of.folders.values()) yield* leaves(inner);
  }
}

/** Every folder below that holds nothing at all. */
export function* emptyFolders<T>(of: Folder<T>): Generator<Folder<T>> {
  for (const inner of of.folders.values()) {
    if (inner.folders.size === 0 && inner.files.length === 0) yield inner;
    else yield* emptyFolders(inner);
  }
}

/** Made when first needed: it costs tens of milliseconds that the empty page need not spend. */
let collator: Intl.Collator | null = null;
function order(): Intl.Collator {
  return (collator ??= new Intl.Collator('en', { numeric: true }));
}

function folder<T>(name: string, path: string, parent: Folder<T> | null): Folder<T> {
  return { kind: 'folder', name, path, parent, folders: new Map(), files: [], bytes: 0, fileCount: 0 };
}

function descend<T>(root: Folder<T>, path: string): Folder<T> {
  let at = root;
  for (const name of path.split('/')) {
    let next = at.folders.get(name);
    if (!next) at.folders.set(name, (next = folder(name, at.path ? `${at.path}/${name}` : name, at)));
    at = next;
  }
  return at;
}
