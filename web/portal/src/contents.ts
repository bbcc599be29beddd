/**
 * What is in an opened package, and getting it onto this computer: all, some or one, or still encrypted.
 *
 * Nothing is called received before every byte of it was verified.
 */
import {
  SealiftError,
  type Contents, type DownloadJob, type DownloadState, type Entry, type Package, type Proof, type SaveInto,
} from '../../src/sdk';
import { keepAwake } from './awake';
import { button, byId, part, setText } from './dom';
import { showFailure } from './failure';
import { FileList } from './file-list';
import { ProgressPanel, type Stage } from './progress';
import { keyringRows, showReport } from './report';
import { say, showScreen } from './screens';
import { grow, leaves } from './tree';
import * as words from './words';

/** What was proved about the contents, in plain words. */
const PROOFS: Record<Proof, string> = {
  link: 'Checked: this is complete, unchanged, and exactly what was sent under your link.',
  password: 'Checked: this is complete and unchanged since someone with the password sealed it. It was not compared with a link.',
  unpinned: 'Complete and unchanged, but nothing proves who sealed it. Ask the sender whether it is theirs.',
};

const OPENED_BY = { password: 'Your password', identity: 'Your secret key', link: 'The link by itself' };

const PIECES = 'Checked: what is here is unchanged since it was sealed.';
const PIECES_SAVED = 'Every byte of these was checked: they are unchanged since they were sealed.';

const SAVED: Record<Proof, string> = { ...PROOFS, link: 'Every byte was checked: complete, unchanged, and exactly what was sent under your link.' };

export interface ContentsOptions {
  /** Whether to offer the package still encrypted; pointless for one that already lies on this computer. */
  keepEncrypted: boolean;
}

export class ContentsView {
  readonly #list: FileList<Entry>;
  readonly #all: number;

  constructor(
    private readonly pkg: Package,
    private readonly contents: Contents,
    options: ContentsOptions,
  ) {
    const { title, note, entries, folders, bytesTotal, proof } = contents;
    const amount = words.amount(entries.length, folders.length);
    this.#all = entries.length;
    setText(part('contents-title'), title ? words.shownName(title) : 'Here are your files');
    part('contents-title').dir = 'auto';
    const until = pkg.expiresAt ? `. Available until ${words.date(pkg.expiresAt)}` : '';
    setText(part('contents-lead'), `${amount}, ${words.bytes(bytesTotal)}${until}`);
    setText(part('contents-note'), words.shownText(note));
    part('contents-note').hidden = note === '';
    setText(part('contents-count'), amount);
    part('contents-missing').hidden = contents.missing === 0;
    setText(part('contents-missing').querySelector('p') as Element, missingSentence(contents.missing));
    showProof(part('contents-proof'), proof, contents.missing > 0 ? PIECES : PROOFS[proof]);

    showReport(
      [
        ['Opened by', OPENED_BY[pkg.openedBy ?? 'link']],
        ['Contents', contents.missing > 0 ? PIECES : PROOFS[proof]],
        ...keyringRows(pkg.keyring, 'Unchanged since somebody with the package key made it.'),
      ],
      pkg.stored,
    );

    this.#list = new FileList(byId('contents-tree', HTMLUListElement), {
      action: (node) =>
        node.kind === 'folder' && node.fileCount === 0
          ? null
          : {
              name: `Download ${words.shownName(node.name)}`,
              icon: 'download',
              act: () => this.#download([...leaves(node)].map((leaf) => leaf.item)),
            },
      onSelect: (selected) => this.#showSelection(selected.size),
    });
    // With pieces missing nobody can say which folders are really empty.
    const empty = contents.missing > 0 ? [] : folders;
    this.#list.show(grow(entries.map((entry) => ({ path: entry.path, bytes: entry.bytes, item: entry })), empty), { openSingle: true });

    button('download-all').onclick = () => this.#download('all');
    button('download-selected').onclick = () => this.#download([...this.#list.selected]);
    button('select-all').onclick = () => this.#list.selectAll(this.#list.selected.size < this.#all);
    button('select-all').hidden = this.#all < 2;
    button('keep-encrypted').hidden = part('keep-help').hidden = !options.keepEncrypted;
    button('keep-encrypted').onclick = () => this.#keepEncrypted();
    button('back-to-list').onclick = () => this.show();
    this.#showSelection(0);
  }

  show(): void {
    showScreen('contents-screen');
    say(`Opened: ${part('contents-lead').textContent}`);
  }

  #showSelection(count: number): void {
    const some = count > 0 && count < this.#all;
    button('download-selected').hidden = !some;
    setText(button('download-selected').querySelector('span') as Element, `Download selected (${count})`);
    button('download-all').classList.toggle('primary', !some);
    setText(button('select-all'), count > 0 && count === this.#all ? 'Select none' : 'Select all');
    setText(
      part('keep-help'),
      some
        ? `Keep encrypted saves the ${count === 1 ? 'selected file' : `${count} selected files`} still sealed, to open later with the same password or link.`
        : 'Keep encrypted saves everything still sealed, as one .sealift file, to open later: no internet needed.',
    );
  }

  /** Must run inside the click: the browser's save dialog opens only for a gesture. */
  #download(entries: Entry[] | 'all'): void {
    const job = this.pkg.download(entries, { into: into() });
    const ended = job.start();
    const what = entries === 'all' ? this.contents.entries : entries;
    const folders = entries === 'all' ? this.contents.folders.length : 0;
    const whole = this.contents.missing === 0 && what.length === this.#all;
    void this.#follow(job, ended, whole, words.amount(what.length, folders), what.reduce((sum, entry) => sum + entry.bytes, 0), () => this.#download(entries));
  }

  /** What is proved of what was saved. Nothing is called complete when it was not all of the package (rule L3). */
  #saved(whole: boolean): string {
    return whole ? SAVED[this.contents.proof] : PIECES_SAVED;
  }

  async #follow(job: DownloadJob, ended: Promise<void>, whole: boolean, amount: string, bytes: number, again: () => void): Promise<void> {
    const panel = new ProgressPanel(job, 'Downloading', () => job.cancel());
    let over = false;
    const onState = (): void => {
      const asking = job.state === 'running' && job.savingInto === null;
      const stage = over ? null : asking ? ASKING : stageOf(job.state, amount);
      if (!stage) return;
      panel.stage(stage);
      panel.notice('');
      keepAwake(job.savingInto !== 'stream'); // A streamed download is a navigation: the guard would ask about it.
    };
    job.addEventListener('state', onState);
    showNotices(job, panel);
    onState();
    showScreen('progress-screen');
    try {
      await ended;
      if (job.state === 'cancelled') throw new SealiftError('cancelled');
      showProof(part('received-proof'), this.contents.proof, this.#saved(whole));
      setText(part('received-lead'), `${amount}, ${words.bytes(bytes)}. ${WHERE[job.savingInto ?? 'auto']}`);
      showScreen('received-screen');
      say('Received');
    } catch (thrown) {
      const error = SealiftError.from(thrown);
      const back = { label: 'Back to the files', act: () => this.show() };
      if (error.code === 'cancelled') this.show();
      else showFailure(error, { retry: { label: 'Try again', act: again }, back });
    } finally {
      over = true;
      keepAwake(false);
      panel.close();
    }
  }

  /** Plain downloads by the browser itself. Files that lie in one pack have one address and come once. */
  #keepEncrypted(): void {
    const selected = [...this.#list.selected];
    const some = selected.length > 0 && selected.length < this.#all;
    const addresses = some ? new Set(selected.map((entry) => this.pkg.encryptedUrl(entry))) : [this.pkg.encryptedUrl()];
    saveAddresses([...addresses]);
    say('Your browser saves it now, still encrypted.');
  }
}

/** Shows what is in the way of a download until it moves again. */
function showNotices(job: DownloadJob, panel: ProgressPanel): void {
  let stoodAt: number | null = null;
  job.addEventListener('notice', (event) => {
    const { code, message } = (event as CustomEvent<{ code: string; message: string }>).detail;
    stoodAt = job.progress.bytesDone;
    panel.notice(code === 'network_lost' ? 'The connection is gone. It goes on by itself when it is back, and nothing is lost.' : message);
  });
  job.addEventListener('progress', () => {
    if (stoodAt === null || job.progress.bytesDone <= stoodAt) return;
    stoodAt = null;
    panel.notice('');
  });
}

/** Browsers drop all but the last of several downloads started at once. */
const BETWEEN_DOWNLOADS_MS = 400;

/** Hands addresses to the browser's own download manager, which resumes and works at any size. */
export function saveAddresses(addresses: string[]): void {
  addresses.forEach((address, nth) => {
    setTimeout(() => {
      const link = document.createElement('a');
      link.href = address;
      link.download = '';
      link.click();
    }, nth * BETWEEN_DOWNLOADS_MS);
  });
}

/** While the browser's own dialog is open. */
const ASKING: Stage = { title: 'Where to?', lead: 'If your browser asks, choose where the files go.', motion: 'ending' };

const WHERE: Record<SaveInto, string> = {
  auto: 'They are on this computer now.',
  file: 'Saved where you chose.',
  folder: 'Saved in the folder you chose.',
  opfs: 'You find them where your browser puts downloads.',
  stream: 'You find them where your browser puts downloads.',
  blob: 'You find them where your browser puts downloads.',
};

function stageOf(state: DownloadState, amount: string): Stage | null {
  switch (state) {
    case 'running': return { title: `Downloading ${amount}`, lead: 'Opened and checked as it arrives.', hint: 'Keep this page open until it is done.', motion: 'moving' };
    case 'paused': return { title: 'Paused', lead: 'Go on when you like, as long as this page stays open.', motion: 'resting' };
    case 'verifying': return { title: 'Checking', lead: 'Making sure that nothing is missing and nothing was changed.', motion: 'ending' };
    default: return null;
  }
}

function missingSentence(missing: number): string {
  const what = missing === 1 ? 'One more piece belongs' : `${missing} more pieces belong`;
  return `${what} to this package and ${missing === 1 ? 'is' : 'are'} not here. To see everything, add all its files together.`;
}

function showProof(line: HTMLElement, proof: Proof, text: string): void {
  line.dataset['proof'] = proof;
  setText(line.querySelector('span') as Element, text);
}

/** `?into=opfs` and the like choose where downloads go, for tests: a headless browser has no save dialog. */
function into(): SaveInto {
  const asked = new URLSearchParams(location.search).get('into');
  return asked !== null && asked in WHERE ? (asked as SaveInto) : 'auto';
}
