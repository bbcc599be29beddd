/**
 * A field for public keys: pasted, typed, or out of a file. Each key that is understood moves into a list with its
 * fingerprint, which two people can compare; what is not stays in the field with a problem beside it.
 */
import { readRecipients, SealiftError, type Recipient } from '../../src/sdk';
import { button, byId, el, icon, input, part, setProblem, setText } from './dom';
import { say } from './screens';
import * as words from './words';

const SETTLE_MS = 300;
/** A file of public keys; one key has about 2,000 characters. */
const FILE_BYTES_MAX = 256 << 10;

export class RecipientsField {
  readonly #keys = new Map<string, Recipient>();
  readonly #field = byId('recipients', HTMLTextAreaElement);
  #reading: Promise<void> = Promise.resolve();
  #timer = 0;

  /** `changed` is called when the list has changed. */
  constructor(private readonly changed: () => void = () => undefined) {
    this.#field.addEventListener('input', () => {
      this.problem('');
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => void this.take(), SETTLE_MS);
    });
    const picker = input('pick-recipients');
    button('recipients-file').addEventListener('click', () => picker.click());
    picker.addEventListener('change', () => {
      const files = [...(picker.files ?? [])];
      picker.value = '';
      void this.#readFiles(files);
    });
  }

  /** The public keys in the list. */
  get list(): string[] {
    return [...this.#keys.keys()];
  }

  /** Empties list and field. */
  clear(): void {
    this.#keys.clear();
    this.#field.value = '';
    this.problem('');
    this.#show();
  }

  /** Moves what stands in the field into the list. False when something in it is no public key. */
  async take(): Promise<boolean> {
    clearTimeout(this.#timer);
    const reading = this.#reading.then(() => this.#takeNow());
    this.#reading = reading.then(() => undefined);
    return reading;
  }

  problem(text: string): void {
    setProblem(this.#field, part('recipients-problem'), text);
  }

  focus(): void {
    this.#field.focus();
  }

  async #takeNow(): Promise<boolean> {
    const text = this.#field.value;
    if (text.trim() === '') return true;
    try {
      const found = await readRecipients(text);
      if (this.#field.value === text) this.#field.value = '';
      this.#add(found);
      return true;
    } catch (thrown) {
      const error = SealiftError.from(thrown);
      if (this.#field.value !== text) return false; // Typed on meanwhile.
      this.problem(`${error.message} ${error.advice}`);
      say(`${error.message} ${error.advice} (${error.code})`);
      return false;
    }
  }

  async #readFiles(files: File[]): Promise<void> {
    for (const file of files) {
      try {
        this.#add(await readRecipients(file.size > FILE_BYTES_MAX ? '' : await file.text()));
      } catch (thrown) {
        const error = SealiftError.from(thrown, 'file_unreadable');
        const text = error.code === 'bad_recipient' ? `There is no public key in “${words.shownName(file.name)}”.` : error.message;
        this.problem(text);
        say(`${text} (${error.code})`);
      }
    }
  }

  #add(found: Recipient[]): void {
    for (const key of found) this.#keys.set(key.text, key);
    this.problem('');
    this.#show();
    say(`${words.count(this.#keys.size, 'key')} in the list.`);
  }

  #show(): void {
    const rows = [...this.#keys.values()].map((key) => {
      const remove = el('button', 'row-button', icon('remove'));
      remove.type = 'button';
      remove.setAttribute('aria-label', `Remove key ${key.fingerprint}`);
      remove.addEventListener('click', () => {
        this.#keys.delete(key.text);
        this.#show();
        this.focus();
        say('Removed.');
      });
      return el('li', 'key', icon('key'), el('code', 'fingerprint', key.fingerprint), remove);
    });
    part('recipient-list').replaceChildren(...rows);
    part('recipient-list').hidden = rows.length === 0;
    part('compare-help').hidden = rows.length === 0;
    setText(part('recipient-count'), rows.length ? words.count(rows.length, 'key') : '');
    this.changed();
  }
}
