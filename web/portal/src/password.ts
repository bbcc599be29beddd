/** A password field: show what was typed, judge how hard it is to guess, make a good one. */
import { generatePassword, passwordRefusal, passwordStrength, type Strength } from '../../src/sdk';
import { button, input, part, setText } from './dom';

/** Makes the "Show" button reveal these fields. Returns a function that sets it from code. */
export function wireReveal(fields: HTMLInputElement[]): (shown: boolean) => void {
  const press = button('reveal');
  const set = (shown: boolean): void => {
    for (const field of fields) field.type = shown ? 'text' : 'password';
    press.setAttribute('aria-label', shown ? 'Hide password' : 'Show password');
    setText(press, shown ? 'Hide' : 'Show');
  };
  press.addEventListener('click', () => set(fields[0]?.type === 'password'));
  return set;
}

/** One sentence for each score of the estimator; what it means is that someone could take the stored bytes and try. */
const VERDICTS: Record<Strength['score'], string> = {
  0: 'Very weak: it would be guessed at once.',
  1: 'Weak: it would be guessed soon.',
  2: 'Fair: it keeps out the curious, not the determined.',
  3: 'Good: hard to guess.',
  4: 'Strong: out of reach of guessing.',
};

const SETTLE_MS = 200;

/**
 * Judges the field while it is typed into, also by the relay's rule when it has one. The estimator is fetched with the
 * first character, not before.
 */
export function wireStrength(field: HTMLInputElement, rule: () => string | null = () => null): () => void {
  const box = part('strength');
  let timer = 0;
  let turn = 0;
  const judge = async (): Promise<void> => {
    const ticket = ++turn;
    const password = field.value;
    const asked = rule();
    const strength = await passwordStrength(password).catch(() => null);
    const refusal = strength && asked ? await passwordRefusal(password, asked) : '';
    if (ticket !== turn || field.value !== password) return; // Typed on meanwhile.
    box.hidden = strength === null;
    if (!strength) return;
    box.dataset['score'] = String(refusal ? Math.min(strength.score, 2) : strength.score);
    const hint = refusal || strength.score < 3 ? strength.warning || strength.suggestions[0] || refusal : '';
    setText(part('strength-text'), `${refusal ? 'Not strong enough for this relay.' : VERDICTS[strength.score]} ${hint}`.trim());
  };
  const refresh = (): void => {
    clearTimeout(timer);
    if (field.value === '') {
      turn += 1;
      box.hidden = true;
      return;
    }
    timer = window.setTimeout(() => void judge(), SETTLE_MS);
  };
  field.addEventListener('input', refresh);
  return refresh;
}

/** Fills both fields with a new password and shows it, since a person must now write it down. */
export function wireGenerate(reveal: (shown: boolean) => void, changed: () => void): void {
  button('generate').addEventListener('click', () => {
    void generatePassword().then((made) => {
      input('password').value = made;
      input('repeat-password').value = made;
      reveal(true);
      changed();
      button('copy-password').hidden = false;
      input('password').focus();
      input('password').select();
    });
  });
}
