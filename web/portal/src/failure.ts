/** The screen for what went wrong: what happened, what to do, and the code to tell whoever helps. */
import type { SealiftError } from '../../src/sdk';
import { isFresh, loadNewer } from './address';
import { button, part, setText } from './dom';
import { say, showScreen } from './screens';

/** Headings by code, for what a person can meet; the sentence and the advice come with the error itself. */
const HEADINGS: Record<string, string> = {
  // The link or the password.
  cut_link: 'This link is not complete',
  bad_link: 'This is not a Sealift link',
  wrong_link: 'This link does not fit',
  not_found: 'This package is not here',
  expired: 'This package has expired',
  not_complete: 'Not everything has arrived yet',
  wrong_password: 'That password does not fit',
  identity_needed: 'This opens with an identity file',
  wrong_identity: 'That identity does not fit',
  bad_identity: 'This is not an identity file',
  bad_recipient: 'This is not a public key',
  old_keyring: 'This is an older state than before',
  keyring_changed: 'It was changed meanwhile',
  unauthorized: 'This link cannot do that',

  // What the bytes turned out to be.
  damaged: 'The files were damaged or changed',
  damaged_keyring: 'The files were damaged or changed',
  damaged_head: 'The files were damaged or changed',
  damaged_manifest: 'The files were damaged or changed',
  damaged_content: 'A file was damaged or changed',
  seal_mismatch: 'A file was damaged or changed',
  content_mismatch: 'A file was damaged or changed',
  package_mismatch: 'These do not belong together',
  trailing_bytes: 'The file was changed',
  cut_short: 'The file is not complete',
  pin_mismatch: 'This is not what was sent',
  stored_differs: 'This is not what was sent',
  not_sealed: 'This cannot be opened here',
  file_missing: 'A piece is missing',
  unknown_version: 'This needs a newer Sealift',

  // On the way.
  network_lost: 'The connection was lost',
  grant_required: 'Sending here needs an invitation',
  grant_invalid: 'This invitation is not valid',
  grant_expired: 'This invitation has run out',
  password_required: 'A password is needed here',
  weak_password: 'A stronger password is needed here',
  kdf_too_weak: 'A stronger password is needed here',
  content_protection_required: 'The relay did not take this',
  client_too_old: 'This page is too old for its relay',
  file_changed: 'A file changed while it was sent',
  file_unreadable: 'A file could not be read',
  superseded: 'This goes on in another window',
  session_busy: 'This goes on in another window',
  too_large: 'This is more than the relay takes',
  too_many_files: 'These are too many files',
  bad_name: 'A name cannot be used',
  quota_exceeded: 'Your share of the relay is used up',
  storage_full: 'The relay is full',
  storage_failed: 'The relay could not store it',

  // This browser and this computer.
  environment_unsupported: 'This browser cannot seal files',
  no_wasm: 'This browser cannot seal files',
  no_workers: 'This browser cannot seal files',
  no_randomness: 'This browser cannot seal files',
  out_of_memory: 'This computer is short of memory',
  write_failed: 'The file could not be saved',
  too_large_here: 'Too big for this browser to save',
};

/** What to do, where the error's own text only says what happened or the page knows it better. */
const ADVICE: Record<string, string> = {
  expired: 'Ask the sender to send it again.',
  bad_link: 'Copy the whole link again, or ask the sender for it.',
  not_sealed: 'Choose files whose name ends in .sealift.',
  superseded: 'Go on there. You can close this page.',
  too_large: 'Send it in several packages, or ask its operator.',
  too_large_here: 'Use a current Chrome, Edge or Firefox, or the command line: sealift receive for a link, sealift decrypt for a file.',
  password_required: 'Go back to the files, choose a password, and send them again. Nothing of this try is kept.',
  kdf_too_weak: 'Reload this page to get its newest version, and send the files again. Nothing of this try is kept.',
  quota_exceeded: 'Delete a package that is no longer needed, by its manage link, or ask the relay’s operator.',
  already_finished: 'Send the files as a new package.',
};

const NEWER = 'Reload it to get the new version. What you have entered here is lost; nothing of it was sent.';
const STILL_TOO_OLD = 'It was reloaded and is still the old version. Tell the relay’s operator that the pages it serves are older than the version it asks for.';

export interface WayOut {
  label: string;
  act: () => void;
}

/** Shows the failure screen. Without a way out its button is hidden. */
export function showFailure(error: SealiftError, ways: { retry?: WayOut; back?: WayOut } = {}): void {
  setText(part('failure-title'), HEADINGS[error.code] ?? 'That did not work');
  setText(part('failure-sentence'), error.message);
  const tooOld = error.code === 'client_too_old';
  const advice = tooOld ? (isFresh ? STILL_TOO_OLD : NEWER) : ADVICE[error.code] ?? error.advice;
  if (tooOld) ways = isFresh ? {} : { retry: { label: 'Reload', act: () => void loadNewer() } };
  setText(part('failure-advice'), advice);
  part('failure-what-to-do').hidden = advice === '';
  setText(part('failure-code'), error.code);
  wire(button('failure-retry'), ways.retry);
  wire(button('failure-back'), ways.back);
  button('failure-back').classList.toggle('primary', !ways.retry);
  showScreen('failure-screen');
  say(`${error.message} (${error.code})`);
}

function wire(target: HTMLButtonElement, way: WayOut | undefined): void {
  target.hidden = way === undefined;
  target.onclick = way?.act ?? null;
  if (way) setText(target, way.label);
}
