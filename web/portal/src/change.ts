/**
 * Changing who can open a stored package: another password, keys more or fewer, and undoing it.
 *
 * Only the keyring is replaced. What is shown as done was read back from the relay and opened. Start with `ChangeForm`.
 */
import { relayPolicy, SealiftError, type KeyringNeeds, type ManagedPackage } from '../../src/sdk';
import { wireCopy } from './copy';
import { button, byId, el, input, part, setProblem, setText } from './dom';
import { wireGenerate, wireReveal, wireStrength } from './password';
import { checkStrength, refuse } from './refuse';
import { RecipientsField } from './recipients';
import { showScreen } from './screens';

export interface ChangeEnd {
  done: () => void;
  failed: (thrown: unknown) => void;
}

/** What is said at the field of the current password instead of on a screen of its own. */
const ABOUT_THE_PASSWORD = new Set(['wrong_password', 'password_length', 'password_needed']);

let recipients: RecipientsField | null = null;
let judge: (() => void) | null = null;
let reveal: ((shown: boolean) => void) | null = null;
let rule: string | null = null;

export class ChangeForm {
  #slots: KeyringNeeds['slots'] = [];

  /** `byLink`: the manage link itself opens the package, and no password is asked. */
  constructor(
    private readonly managed: ManagedPackage,
    private readonly byLink: boolean,
    private readonly end: ChangeEnd & { back: () => void },
  ) {
    wireOnce();
    byId('change', HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      void this.#save();
    };
    button('change-back').onclick = () => {
      forget();
      end.back();
    };
  }

  show(what: 'password' | 'keys'): void {
    forget();
    void this.#open(what).catch((thrown: unknown) => this.end.failed(thrown));
  }

  async #open(what: 'password' | 'keys'): Promise<void> {
    this.#slots = (await this.managed.keyring()).slots;
    rule = (await relayPolicy().catch(() => null))?.protection.passwordRule ?? null;
    part('current-field').hidden = this.byLink;
    setText(
      part('new-help'),
      this.byLink ? 'With a password the link alone no longer opens it. Leave it empty to change only the keys.' : 'It takes the place of the current one. Leave it empty to keep that.',
    );
    // Those that are neither the one that opens it now nor replaced: each stays unless it is unticked.
    const others = this.#slots.map((slot, number) => ({ slot, number })).filter(({ slot }) => slot.kind === 'recipient');
    part('kept-slots').hidden = others.length === 0;
    part('kept-slots').replaceChildren(
      ...others.map(({ number }, nth) => {
        const box = el('input');
        box.type = 'checkbox';
        box.checked = true;
        box.value = String(number);
        return el('label', 'check', box, `Keep key ${nth + 1} of ${others.length}`);
      }),
    );
    showScreen('change-screen');
    if (what === 'keys' && this.byLink) recipients?.focus();
    else if (this.byLink) input('password').focus();
    else input('current-password').focus();
  }

  async #save(): Promise<void> {
    const current = input('current-password');
    if (!this.byLink && current.value === '') return void refuse(current, part('current-problem'), 'Enter the current password first.');
    const password = await this.#newPassword();
    if (password === null || !(await recipients!.take())) return;
    const added = recipients!.list;
    const unticked = new Set([...part('kept-slots').querySelectorAll('input')].filter((box) => !box.checked).map((box) => Number(box.value)));
    if (password === '' && added.length === 0 && unticked.size === 0) {
      return void refuse(input('password'), part('password-problem'), 'Nothing is changed yet. Enter a new password, or add or remove a key.');
    }
    busy(true);
    try {
      const { slot } = await this.managed.unlock(this.byLink ? undefined : current.value);
      const keep = this.#slots.map((_, number) => number).filter((number) => !unticked.has(number) && !(password && number === slot));
      await this.managed.change({ keep, recipients: added, password: password || undefined });
      forget();
      this.end.done();
    } catch (thrown) {
      const error = SealiftError.from(thrown);
      if (ABOUT_THE_PASSWORD.has(error.code) && !this.byLink) {
        refuse(current, part('current-problem'), `${error.message} ${error.advice}`, error.code);
        current.select();
      } else {
        forget();
        this.end.failed(error);
      }
    } finally {
      busy(false);
    }
  }

  /** Empty: the current one stays. Null: something is wrong with it, and was said. */
  async #newPassword(): Promise<string | null> {
    const [password, repeat] = [input('password'), input('repeat-password')];
    if (password.value === '' && repeat.value === '') return '';
    if (repeat.value !== password.value) {
      return refuse(repeat, part('repeat-problem'), repeat.value === '' ? 'Enter the same password once more.' : 'The two passwords are not the same.');
    }
    return (await checkStrength(password, part('password-problem'), rule)) ? password.value : null;
  }
}

/** The question before an undo. It asks for the password that opens the package now, since only then it may be changed. */
export function wireUndo(managed: ManagedPackage, byLink: boolean, end: ChangeEnd): void {
  const dialog = byId('undo-dialog', HTMLDialogElement);
  const field = input('undo-password');
  button('undo').onclick = () => {
    field.value = '';
    setProblem(field, part('undo-problem'), '');
    part('undo-field').hidden = byLink;
    dialog.showModal();
    (byLink ? button('undo-confirm') : field).focus();
  };
  button('undo-keep').onclick = () => dialog.close();
  byId('undo-form', HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    button('undo-confirm').disabled = true;
    void managed
      .unlock(byLink ? undefined : field.value)
      .then(() => managed.undo())
      .then(
        () => {
          dialog.close();
          end.done();
        },
        (thrown: unknown) => {
          const error = SealiftError.from(thrown);
          if (ABOUT_THE_PASSWORD.has(error.code) && !byLink) return void refuse(field, part('undo-problem'), `${error.message} ${error.advice}`, error.code);
          dialog.close();
          end.failed(error);
        },
      )
      .finally(() => {
        button('undo-confirm').disabled = false;
        field.value = '';
      });
  };
}

function wireOnce(): void {
  if (recipients) return;
  recipients = new RecipientsField();
  reveal = wireReveal([input('password'), input('repeat-password')]);
  judge = wireStrength(input('password'), () => rule);
  wireGenerate(reveal, () => judge?.());
  wireCopy(button('copy-password'), () => input('password').value);
  const problems = [['current-password', 'current-problem'], ['password', 'password-problem'], ['repeat-password', 'repeat-problem']] as const;
  for (const [field, problem] of problems) input(field).addEventListener('input', () => setProblem(input(field), part(problem), ''));
}

/** Passwords and keys that were entered leave the page. */
function forget(): void {
  byId('change', HTMLFormElement).reset();
  recipients?.clear();
  reveal?.(false);
  judge?.();
  button('copy-password').hidden = true;
  for (const [field, problem] of [['current-password', 'current-problem'], ['password', 'password-problem'], ['repeat-password', 'repeat-problem']] as const) {
    setProblem(input(field), part(problem), '');
  }
}

function busy(now: boolean): void {
  button('save-changes').disabled = now;
  button('change-back').disabled = now;
  part('change-waiting').hidden = !now;
}
