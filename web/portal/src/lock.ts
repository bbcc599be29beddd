/**
 * The screen that asks for the password, or for the file with the secret key, once, and checks it before any content is
 * fetched. The secret key goes from the file into a worker and is stored nowhere.
 */
import { SealiftError, type Contents, type Credential, type Package } from '../../src/sdk';
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

/** Far longer than any identity file. */
const IDENTITY_BYTES_MAX = 64 << 10;

/** What is asked again after these, on the same screen. */
const REFUSED = new Set(['wrong_password', 'wrong_identity', 'bad_identity', 'password_length']);

/** The opened contents. Asks again after a wrong password; any other error is the caller's to show. */
export function unlock(pkg: Package, words: LockWords): Promise<Contents> {
  if (pkg.needs === 'nothing' || pkg.needs === 'link') return pkg.unlock();
  const field = input('password');
  const picker = input('pick-identity');
  const reveal = (wired ??= wireReveal([field]));
  const byPassword = pkg.needs === 'password';
  setText(part('lock-title'), words.title);
  setText(part('lock-lead'), `${words.lead} ${byPassword ? 'Enter the password to see what is inside.' : 'It opens with the secret key of one of its recipients.'}`);
  for (const id of ['lock-password', 'open']) part(id).hidden = !byPassword;
  part('lock-identity').hidden = !pkg.takesIdentity;
  button('identity-file').classList.toggle('primary', !byPassword);
  setText(part('identity-help'), byPassword ? 'Or, if it was sent to your key:' : 'Choose the file that holds your secret key. It stays on this computer.');
  part('lock-encrypted').hidden = !words.keep;
  button('lock-keep').onclick = words.keep ?? null;
  field.value = '';
  field.oninput = () => problem('');
  problem('');
  reveal(false);
  showScreen('lock-screen');
  (byPassword ? field : button('identity-file')).focus();
  return new Promise((resolve, reject) => {
    const start = async (credential: () => Promise<Credential>): Promise<void> => {
      try {
        const contents = await attempt(pkg, await credential());
        field.value = '';
        reveal(false);
        resolve(contents);
      } catch (thrown) {
        const error = SealiftError.from(thrown);
        if (error.code === 'cancelled') {
          (byPassword ? field : button('identity-file')).focus();
          say('Cancelled.');
        } else if (REFUSED.has(error.code)) refuse(`${error.message} ${error.advice}`, error.code);
        else reject(error);
      }
    };
    byId('lock-form', HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      if (!byPassword) return;
      if (field.value === '') return refuse('Enter the password first.');
      void start(async () => ({ password: field.value }));
    };
    button('identity-file').onclick = () => picker.click();
    picker.onchange = () => {
      const file = picker.files?.[0];
      picker.value = '';
      if (file) void start(async () => ({ identity: await secretOf(file) }));
    };
  });
}

async function secretOf(file: File): Promise<string> {
  if (file.size > IDENTITY_BYTES_MAX) throw new SealiftError('bad_identity');
  return file.text().catch(() => Promise.reject(new SealiftError('file_unreadable')));
}

/** One try, with the form at rest meanwhile and a way to call it off. */
async function attempt(pkg: Package, credential: Credential): Promise<Contents> {
  const stop = new AbortController();
  button('lock-cancel').onclick = () => stop.abort();
  busy(true);
  say('Opening');
  if (credential.password) {
    void pkg.estimate().then(
      ({ milliseconds }) => setText(part('lock-waiting-text'), waitingSentence(milliseconds)),
      () => undefined, // No guess: the plain sentence stays.
    );
  }
  try {
    return await pkg.unlock(credential, { signal: stop.signal });
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
  button('identity-file').disabled = now;
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
  if (part('lock-password').hidden) button('identity-file').focus();
  else {
    input('password').focus();
    input('password').select();
  }
  say(code ? `${text} (${code})` : text);
}
