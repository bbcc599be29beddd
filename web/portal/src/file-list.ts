/**
 * A tree of files on the page. Folders start closed and build their rows when opened; a long level shows its first rows
 * and a button for more. So 2,000 files, or 200,000, cost what is looked at, and the keyboard walks real buttons.
 *
 * Names are set as text in `<bdi>`, cleaned by `shownName`; no name can become markup or turn the line around.
 */
import { breathe, el, icon } from './dom';
import { children, leaves, type Folder, type Node } from './tree';
import * as words from './words';

const ROWS_AT_ONCE = 200;

export interface ListOptions<T> {
  /** The button at the end of each row: what it is called for a name, its icon, and what it does. Null leaves it out. */
  action: (node: Node<T>) => { name: string; icon: string; act: () => void } | null;
  /** Called when ticks change; without it there are none. */
  onSelect?: (selected: ReadonlySet<T>) => void;
}

export class FileList<T> {
  readonly #selected = new Set<T>();
  #root: Folder<T> | null = null;
  readonly #open = new Set<string>();
  /** Counts the trees shown, so that rows of an older one still on their way are dropped. */
  #shown = 0;

  constructor(
    private readonly list: HTMLUListElement,
    private readonly options: ListOptions<T>,
  ) {}

  get selected(): ReadonlySet<T> {
    return this.#selected;
  }

  /** Shows another tree. Folders that were open stay open; one that stands alone opens by itself. */
  show(root: Folder<T>, options: { openSingle?: boolean } = {}): void {
    this.#root = root;
    this.#shown += 1;
    const [only] = root.folders.values();
    if (options.openSingle && only && root.folders.size === 1 && root.files.length === 0) this.#open.add(only.path);
    this.list.replaceChildren();
    void this.#fill(this.list, children(root), 0, 0);
  }

  /** Ticks every file, or none. */
  selectAll(all: boolean): void {
    this.#selected.clear();
    if (all && this.#root) for (const leaf of leaves(this.#root)) this.#selected.add(leaf.item);
    this.#showTicks();
  }

  /** Adds the rows of one level, a few hundred at most, then a button for the rest. */
  async #fill(list: HTMLUListElement, nodes: Node<T>[], from: number, depth: number): Promise<void> {
    const shown = this.#shown;
    const upTo = Math.min(nodes.length, from + ROWS_AT_ONCE);
    for (let at = from; at < upTo; at += 50) {
      list.append(...nodes.slice(at, Math.min(upTo, at + 50)).map((node) => this.#row(node, depth)));
      if (at + 50 < upTo) await breathe();
      if (shown !== this.#shown || !list.isConnected) return;
    }
    if (upTo === nodes.length) return;
    const left = nodes.length - upTo;
    const more = el('button', 'button quiet more', `Show ${Math.min(ROWS_AT_ONCE, left)} more of ${words.count(left, 'item')}`);
    more.type = 'button';
    const holder = el('li', '', more);
    more.addEventListener('click', () => {
      holder.remove();
      const before = list.childElementCount;
      void this.#fill(list, nodes, upTo, depth);
      list.children[before]?.querySelector<HTMLElement>('button, input')?.focus();
    });
    list.append(holder);
  }

  #row(node: Node<T>, depth: number): HTMLLIElement {
    const row = el('div', 'row');
    row.style.setProperty('--depth', String(Math.min(depth, 8)));
    const item = el('li', '', row);
    if (this.options.onSelect) row.append(this.#tick(node));

    const name = el('span', 'row-name', el('bdi', '', words.fittedName(node.name)));
    name.title = words.shownName(node.name);
    const size = el('span', 'row-size', node.kind === 'folder' ? folderSize(node) : words.bytes(node.bytes));
    if (node.kind === 'folder') {
      const turn = icon('chevron', 'turn');
      const toggle = el('button', 'row-text', name, size);
      toggle.type = 'button';
      row.append(turn, toggle);
      this.#wireFolder(node, depth, item, row, toggle);
    } else {
      row.append(icon('file'), el('span', 'row-text', name, size));
    }

    const action = this.options.action(node);
    if (action) {
      const press = el('button', `row-button ${action.icon}`, icon(action.icon));
      press.type = 'button';
      press.setAttribute('aria-label', action.name);
      press.title = action.name;
      press.addEventListener('click', action.act);
      row.append(press);
    }
    return item;
  }

  #wireFolder(node: Folder<T>, depth: number, item: HTMLLIElement, row: HTMLElement, toggle: HTMLButtonElement): void {
    let inner: HTMLUListElement | null = null;
    const show = (open: boolean): void => {
      toggle.setAttribute('aria-expanded', String(open));
      row.toggleAttribute('data-open', open);
      if (open) {
        this.#open.add(node.path);
        inner = el('ul');
        item.append(inner);
        void this.#fill(inner, children(node), 0, depth + 1);
      } else {
        this.#open.delete(node.path);
        inner?.remove();
        inner = null;
      }
    };
    toggle.addEventListener('click', () => show(inner === null));
    toggle.setAttribute('aria-expanded', 'false');
    // After the list is in the page: filling stops for lists that are not.
    if (this.#open.has(node.path)) queueMicrotask(() => show(true));
  }

  #tick(node: Node<T>): HTMLLabelElement {
    const box = el('input');
    box.type = 'checkbox';
    box.setAttribute('aria-label', `Select ${words.shownName(node.name)}`);
    ticks.set(box, node);
    this.#showTick(box);
    box.addEventListener('change', () => {
      for (const leaf of leaves(node)) {
        if (box.checked) this.#selected.add(leaf.item as T);
        else this.#selected.delete(leaf.item as T);
      }
      this.#showTicks();
    });
    return el('label', 'tick', box);
  }

  #showTicks(): void {
    for (const box of this.list.querySelectorAll<HTMLInputElement>('input[type="checkbox"]')) this.#showTick(box);
    this.options.onSelect?.(this.#selected);
  }

  #showTick(box: HTMLInputElement): void {
    const node = ticks.get(box) as Node<T> | undefined;
    if (!node) return;
    let [some, all] = [false, true];
    for (const leaf of leaves(node)) {
      if (this.#selected.has(leaf.item)) some = true;
      else all = false;
      if (some && !all) break;
    }
    box.checked = some && all;
    box.indeterminate = some && !all;
  }
}

/** Which node a tick box stands for. */
const ticks = new WeakMap<HTMLInputElement, Node<unknown>>();

function folderSize<T>(folder: Folder<T>): string {
  return folder.fileCount === 0 ? 'empty' : `${words.count(folder.fileCount, 'file')}, ${words.bytes(folder.bytes)}`;
}
