/**
 * The form of the Send page: what is sent, how it is protected, for how long.
 *
 * Start with `Compose`. It only gathers and checks; sending is send.ts.
 */
import { SealiftError, type Protection, type ProtectionPolicy, type SourceFile } from '../../src/sdk';
import { wireChoosing, type Chosen } from './choose';
import { breathe, button, byId, input, part, setText } from './dom';
import { FileList } from './file-list';
import { showFailure } from './failure';
import { ProtectionFields } from './protection';
import { say, showScreen, shownScreen } from './screens';
import { emptyFolders, grow, leaves, type Folder, type Node } from './tree';
import * as words from './words';

const DAY_S = 86_400;
/** Offered until the relay has said what it allows. */
const USUAL_EXPIRY_S = [DAY_S, 7 * DAY_S, 30 * DAY_S];

/** Everything a person decided. */
export interface Composed {
  files: SourceFile[];
  folders: string[];
  title: string;
  note: string;
  protection: Protection;
  expiresInSeconds: number;
}

export class Compose {
  #files: SourceFile[] = [];
  #folders = new Set<string>();
  #adding = Promise.resolve();
  #checking = false;
  readonly #chosen: () => Promise<unknown>;
  #tree: Folder<SourceFile> = grow([]);
  readonly #list: FileList<SourceFile>;
  readonly #protection = new ProtectionFields(() => this.#refreshFacts());

  constructor(send: (composed: Composed) => void) {
    this.#list = new FileList(byId('files-tree', HTMLUListElement), {
      action: (node) => ({
        name: `Remove ${words.shownName(node.name)}`,
        icon: 'remove',
        act: () => this.#remove(node),
      }),
    });
    this.#chosen = wireChoosing({
      take: (chosen) => this.#add(chosen),
      failed: (error) => showFailure(error, { back: { label: 'Back to the files', act: () => this.show() } }),
      welcome: () => shownScreen() === 'compose-screen',
    });
    byId('expiry', HTMLSelectElement).addEventListener('change', () => this.#refreshFacts());
    this.offerExpiry(USUAL_EXPIRY_S, 7 * DAY_S);
    button('remove-all').addEventListener('click', () => this.#clear());
    byId('compose', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#checking) return; // pressed twice
      this.#checking = true;
      this.#check()
        .then(
          (composed) => composed && send(composed),
          (thrown: unknown) => showFailure(SealiftError.from(thrown), { back: { label: 'Back to the files', act: () => this.show() } }),
        )
        .finally(() => (this.#checking = false));
    });
  }

  /** Shows the form as it was left, with a sentence on top when there is something to say. */
  show(notice = '', focus = true): void {
    this.#notice(notice);
    this.#refreshFacts();
    showScreen('compose-screen', { focus });
  }

  #notice(text: string): void {
    part('compose-notice').hidden = text === '';
    setText(part('compose-notice').querySelector('p') as Element, text);
    if (text) say(text);
  }

  /** Empties the form, the password too. */
  reset(): void {
    byId('compose', HTMLFormElement).reset();
    this.#protection.reset();
    this.#clear();
  }

  /** Leaves only the ways to protect that the relay takes. */
  restrict(policy: ProtectionPolicy): void {
    this.#protection.restrict(policy);
  }

  /** The choices of how long a package is kept, as the relay allows them. */
  offerExpiry(choices: readonly number[], preferred: number): void {
    const select = byId('expiry', HTMLSelectElement);
    const chosen = choices.includes(preferred) ? preferred : choices[Math.floor(choices.length / 2)];
    select.replaceChildren(
      ...choices.map((seconds) => new Option(words.span(seconds), String(seconds), seconds === chosen, seconds === chosen)),
    );
    this.#refreshFacts();
  }

  /** One after the other, so that two drops in a row keep their order. */
  #add(chosen: Chosen): void {
    this.#adding = this.#adding.then(() => this.#addNow(chosen));
  }

  async #addNow({ files, folders }: Chosen): Promise<void> {
    await measure(files, () => this.#notice(`Looking through ${words.amount(files.length, folders.length)}…`));
    const taken = new Set(this.#files.map((known) => known.path));
    for (const source of files) {
      const path = freePath(source.path, taken);
      taken.add(path);
      this.#files.push({ path, file: source.file });
    }
    for (const folder of folders) this.#folders.add(folder);
    this.#notice('');
    this.#refresh();
    say(`Added ${words.amount(files.length, folders.length)}. ${part('files-count').textContent}`);
  }

  /** Waits until all that was dropped or picked is in the list, so that nothing of it is left out. */
  async #added(): Promise<void> {
    const slow = setTimeout(() => this.#notice('One moment: what you added is still being read. It is sent as soon as it is in the list.'), SLOW_MS);
    await this.#chosen();
    await this.#adding;
    clearTimeout(slow);
    this.#notice('');
  }

  #remove(node: Node<SourceFile>): void {
    const gone = new Set([...leaves(node)].map((leaf) => leaf.item));
    this.#files = this.#files.filter((source) => !gone.has(source));
    if (node.kind === 'folder') {
      for (const path of this.#folders) if (path === node.path || path.startsWith(`${node.path}/`)) this.#folders.delete(path);
    }
    const buttons = [...part('files-tree').querySelectorAll<HTMLElement>('.row-button')];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    this.#refresh();
    say(`Removed ${words.shownName(node.name)}`);
    const left = part('files-tree').querySelectorAll<HTMLElement>('.row-button');
    (left[Math.min(Math.max(at, 0), left.length - 1)] ?? button('add-files')).focus();
  }

  #clear(): void {
    this.#files = [];
    this.#folders.clear();
    this.#refresh();
    if (shownScreen() === 'compose-screen') button('add-files').focus();
  }

  #refresh(): void {
    this.#tree = grow(
      this.#files.map((source) => ({ path: source.path, bytes: source.file.size, item: source })),
      this.#folders,
    );
    this.#list.show(this.#tree);
    const empty = this.#files.length === 0 && this.#folders.size === 0;
    part('compose-screen').toggleAttribute('data-empty', empty);
    button('add-files').classList.toggle('primary', empty);
    setText(part('compose-title'), empty ? 'Send files that only your recipient can open' : 'Ready to send');
    setText(part('files-count'), `${words.amount(this.#files.length, this.#folders.size)} · ${words.bytes(this.#tree.bytes)}`);
    this.#refreshFacts();
  }

  /** Who, until when, and what is lost with the password: said before it happens. */
  #refreshFacts(): void {
    const { who, lostName, lost } = this.#protection.facts();
    const seconds = Number(byId('expiry', HTMLSelectElement).value);
    setText(part('fact-who'), who);
    setText(part('fact-until'), `${words.date(new Date(Date.now() + seconds * 1000))}. Then the relay deletes it.`);
    setText(part('fact-lost-name'), lostName);
    setText(part('fact-lost'), lost);
  }

  /** What was entered, or null after pointing out what is missing. */
  async #check(): Promise<Composed | null> {
    await this.#added();
    if (shownScreen() !== 'compose-screen') return null; // Something could not be read, and that is shown.
    if (this.#files.length === 0 && this.#folders.size === 0) {
      button('add-files').focus();
      say('Add a file or a folder first.');
      return null;
    }
    const protection = await this.#protection.read();
    if (!protection) return null;
    return {
      files: [...this.#files],
      folders: [...emptyFolders(this.#tree)].map((folder) => folder.path),
      title: input('title').value.trim(),
      note: byId('note', HTMLTextAreaElement).value.trim(),
      protection,
      expiresInSeconds: Number(byId('expiry', HTMLSelectElement).value),
    };
  }
}

/** Who waits longer than this wants to know why. */
const SLOW_MS = 300;

/** No task may keep the page from answering a key for longer than this. */
const SLICE_MS = 25;

/**
 * Asks each file for its size once. The browser looks at the disk for the first answer and waits for it, a third of a
 * millisecond each, so thousands of files are asked in slices; afterwards every reader gets the size at once.
 */
async function measure(files: readonly SourceFile[], onSlow: () => void): Promise<void> {
  let since = performance.now();
  let slow = false;
  for (const { file } of files) {
    void file.size;
    if (performance.now() - since < SLICE_MS) continue;
    if (!slow) onSlow();
    slow = true;
    await breathe();
    since = performance.now();
  }
}

/** The path itself, or `name (2).ext` when another file has it already: two files of one name both arrive. */
function freePath(path: string, taken: ReadonlySet<string>): string {
  if (!taken.has(path)) return path;
  const nameAt = path.lastIndexOf('/') + 1;
  const dot = path.lastIndexOf('.');
  const cut = dot > nameAt ? dot : path.length;
  for (let number = 2; ; number += 1) {
    const other = `${path.slice(0, cut)} (${number})${path.slice(cut)}`;
    if (!taken.has(other)) return other;
  }
}
