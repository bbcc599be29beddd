/**
 * Who can open what is sent: a password, the link alone, or people's keys; and what the relay asks of that.
 *
 * Start with `ProtectionFields.read`. The policy only takes choices away; what is refused here is refused again by the
 * SDK before anything is sent.
 */
import type { Protection, ProtectionPolicy } from '../../src/sdk';
import { wireCopy } from './copy';
import { button, input, part, setProblem, setText } from './dom';
import { wireGenerate, wireReveal, wireStrength } from './password';
import { RecipientsField } from './recipients';
import { checkStrength, refuse } from './refuse';
import { say } from './screens';

/** What will happen, for the card that says so before it does. */
export interface Facts {
  who: string;
  lostName: string;
  lost: string;
}

const CHOICES = ['with-password', 'no-password', 'with-recipients'];

export class ProtectionFields {
  #policy: ProtectionPolicy = { mode: 'optional', passwordRule: null };
  readonly #reveal = wireReveal([input('password'), input('repeat-password')]);
  readonly #judge = wireStrength(input('password'), () => this.#policy.passwordRule);
  readonly #recipients: RecipientsField;

  constructor(private readonly changed: () => void) {
    for (const id of [...CHOICES, 'own-password']) input(id).addEventListener('change', () => this.#show());
    for (const id of ['password', 'repeat-password']) input(id).addEventListener('input', () => this.#clearProblems());
    this.#recipients = new RecipientsField(changed);
    wireGenerate(this.#reveal, () => {
      this.#clearProblems();
      this.#judge();
    });
    wireCopy(button('copy-password'), () => input('password').value);
    input('password').addEventListener('input', () => (button('copy-password').hidden = true));
  }

  /** Takes away the choices that the relay does not leave, and says so. */
  restrict(policy: ProtectionPolicy): void {
    const { mode } = (this.#policy = policy);
    // Off only hides the field. Who has entered a password already keeps it: a relay's word never takes one away (rule P1).
    const hide = mode === 'off' && input('password').value === '';
    part('choice-password').hidden = hide;
    part('own-password-field').hidden = hide;
    part('choice-link').hidden = mode === 'required';
    const gone = hide ? 'with-password' : mode === 'required' ? 'no-password' : '';
    if (gone && input(gone).checked) input(hide ? 'no-password' : 'with-password').checked = true;
    if (hide) input('own-password').checked = false;
    const asked = policy.passwordRule ? 'This relay takes strong passwords only.' : '';
    const text = mode === 'required' ? `This relay takes no package that opens by its link alone. ${asked}` : asked;
    setText(part('protection-policy'), text.trim());
    part('protection-policy').hidden = text === '';
    this.#show();
  }

  /** Forgets passwords and keys. The form itself was reset. */
  reset(): void {
    this.#reveal(false);
    this.#judge();
    this.#recipients.clear();
    button('copy-password').hidden = true;
    this.restrict(this.#policy);
  }

  facts(): Facts {
    if (input('no-password').checked) {
      return { who: 'Anyone who has the link.', lostName: 'If the link is lost', lost: `${NOBODY} The key is only in the link.` };
    }
    if (!input('with-recipients').checked) {
      return { who: 'Anyone who has the link and the password. The link alone is not enough.', lostName: 'If the password is lost', lost: `${NOBODY} There is no way to reset it.` };
    }
    const own = input('own-password').checked;
    return {
      who: `Whoever has one of the identity files to the keys above${own ? ', or your password' : ''}. The link alone is not enough.`,
      lostName: 'If they lose their file',
      lost: own ? 'Your own password still opens it. Without that, nobody can.' : `${NOBODY} You cannot either.`,
    };
  }

  /** What was chosen, or null after pointing out what is missing. */
  async read(): Promise<Protection | null> {
    if (input('no-password').checked) return { kind: 'link' };
    if (!input('with-recipients').checked) {
      const password = await this.#password();
      return password === null ? null : { kind: 'password', password };
    }
    if (!(await this.#recipients.take())) return this.#recipients.focus(), null;
    const recipients = this.#recipients.list;
    if (recipients.length === 0) {
      const text = 'Add at least one public key. It starts with sealift1.';
      this.#recipients.problem(text);
      this.#recipients.focus();
      say(text);
      return null;
    }
    if (!input('own-password').checked) return { kind: 'recipients', recipients };
    const password = await this.#password();
    return password === null ? null : { kind: 'recipients', recipients, password };
  }

  async #password(): Promise<string | null> {
    const [password, repeat] = [input('password'), input('repeat-password')];
    const { value } = password;
    if (value === '') {
      const optional = this.#policy.mode === 'optional' && input('with-password').checked;
      return refuse(password, part('password-problem'), optional ? 'Enter a password, or choose “No password”.' : 'Enter a password.');
    }
    if (repeat.value !== value) {
      const text = repeat.value === '' ? 'Enter the same password once more.' : 'The two passwords are not the same.';
      return refuse(repeat, part('repeat-problem'), text);
    }
    return (await checkStrength(password, part('password-problem'), this.#policy.passwordRule)) ? value : null;
  }

  #show(): void {
    const recipients = input('with-recipients').checked;
    part('recipient-fields').hidden = !recipients;
    const fields = part('password-fields');
    fields.hidden = input('no-password').checked || (recipients && !input('own-password').checked);
    // One pair of fields, beside the choice that it belongs to.
    const home = recipients ? part('own-password-field') : part('choice-password');
    if (fields.parentElement !== home) home.append(fields);
    fields.classList.toggle('choice-body', !recipients);
    this.#clearProblems();
    this.changed();
  }

  #clearProblems(): void {
    setProblem(input('password'), part('password-problem'), '');
    setProblem(input('repeat-password'), part('repeat-problem'), '');
  }
}

const NOBODY = 'Nobody can open the files, not even the people who run the relay.';
