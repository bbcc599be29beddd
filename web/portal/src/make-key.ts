/** A pair of keys for somebody who wants to be sent files: the secret one is saved as a file and kept nowhere else. */
import { makeIdentity, SealiftError } from '../../src/sdk';
import { wireCopy } from './copy';
import { button, input, part, setText } from './dom';
import { say } from './screens';

const FILE_NAME = 'sealift-identity.txt';
/** Browsers read a blob after the click has returned. */
const READ_MS = 60_000;

export function wireMakeKey(): void {
  let file = '';
  const problem = (text: string): void => {
    part('make-key-problem').hidden = text === '';
    setText(part('make-key-problem').querySelector('span') as Element, text);
  };
  button('make-key').addEventListener('click', () => {
    button('make-key').disabled = true;
    problem('');
    void makeIdentity()
      .then(
        (made) => {
          file = made.file;
          input('public-key').value = made.text;
          setText(part('own-fingerprint'), made.fingerprint);
          part('made-key').hidden = false;
          save(file);
          say('Your key is made, and its identity file saved.');
          button('copy-public-key').focus();
        },
        (thrown: unknown) => problem(SealiftError.from(thrown).message),
      )
      .finally(() => (button('make-key').disabled = false));
  });
  button('save-identity').addEventListener('click', () => save(file));
  input('public-key').addEventListener('focus', () => input('public-key').select());
  wireCopy(button('copy-public-key'), () => input('public-key').value, input('public-key'));
}

function save(text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = FILE_NAME;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_MS);
}
