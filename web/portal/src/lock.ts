/** The screen that asks for the password, once, and checks it before any content is fetched. */
import { SealiftError, type Contents, type Package } from '../../src/sdk';
import { button, byId, input, part, setProblem, setText } from './dom';
import { wireReveal } from './password';
import { say, showScreen } from './screens';

export interface LockWords {
  title: string;
  lead: string;
  /** Offers to save the package as it is, where that makes sense. */
  keep?: () => void;
}

let wired: ((shown: boolean) => void) | null = null;

/** The opened contents. Asks again after a wrong password; any other error is the caller's to show. */
export function unlock(pkg: Package, words: LockWords): Promise<Contents> {
  if (pkg.needs !== 'password') return pkg.unlock();
  const field = input('password');
  const reveal = (wired ??= wireReveal([field]));
  setText(part('lock-title'), words.title);
  setText(part('lock-lead'), words.lead);
  part('lock-encrypted').hidden = !words.keep;
  button('lock-keep').onclick = words.keep ?? null;
  field.value = '';
  field.oninput = () => problem('');
  problem('');
  reveal(false);
  showScreen('lock-screen');
  field.focus();
  return new Promise((resolve, reject) => {
    byId('lock-form', HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      if (field.value === '') return refuse('Enter the password first.');
      void attempt(pkg, field.value).then(
        (contents) => {
          field.value = '';
          reveal(false);
          resolve(contents);
        },
        (thrown: unknown) => {
          const error = SealiftError.from(thrown);
          if (error.code === 'cancelled') {
            field.focus();
            say('Cancelled.');
          } else if (error.code === 'wrong_password') refuse(`${error.message} ${error.advice}`, error.code);
          else reject(error);
        },
      );
    };
  });
}

/** One try, with the form at rest meanwhile and a way to call it off. */
async function attempt(pkg: Package, password: string): Promise<Contents> {
  const stop = new AbortController();
  button('lock-cancel').onclick = () => stop.abort();
  busy(true);
  say('Opening');
  void pkg.estimate().then(
    ({ milliseconds }) => setText(part('lock-waiting-text'), waitingSentence(milliseconds)),
    () => undefined, // No guess: the plain sentence stays.
  );
  try {
    return await pkg.unlock(password, { signal: stop.signal });
  } catch (thrown) {
    if (stop.signal.aborted) throw new SealiftError('cancelled');
    throw thrown;
  } finally {
    busy(false);
  }
}

function waitingSentence(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds <= 1 ? 'Opening…' : `Opening… this takes about ${seconds} seconds here. It is slow on purpose, to make guessing hard.`;
}

function busy(now: boolean): void {
  input('password').readOnly = now;
  button('open').disabled = now;
  part('lock-waiting').hidden = !now;
  button('lock-cancel').hidden = !now;
  setText(part('lock-waiting-text'), 'Opening…');
  if (now) button('lock-cancel').focus();
}

function problem(text: string): void {
  setProblem(input('password'), part('lock-problem'), text);
}

function refuse(text: string, code = ''): void {
  problem(text);
  input('password').focus();
  input('password').select();
  say(code ? `${text} (${code})` : text);
}
