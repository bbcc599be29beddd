/** The screen for what went wrong: what happened, what to do, and the code to tell whoever helps. */
import type { SealiftError } from '../../src/sdk';
import { button, part, setText } from './dom';
import { say, showScreen } from './screens';

/** Headings by code, for the errors a person can meet; the sentence and the advice come with the error itself. */
const HEADINGS: Record<string, string> = {
  cut_link: 'This link is not complete',
  not_found: 'This package is not here any more',
  expired: 'This package has expired',
  not_finished: 'Not everything has been sent yet',
  wrong_password: 'That password does not fit',
  damaged: 'The files were damaged or changed',
  cut_short: 'The file is not complete',
  link_mismatch: 'This is not what the sender sent',
  unsupported: 'This needs a newer Sealift',
  network: 'The connection was lost',
  not_allowed: 'Sending here needs an invitation',
  source_changed: 'A file changed while it was sent',
  source_unreadable: 'A file could not be read',
  superseded: 'This goes on in another window',
  session_busy: 'This goes on in another window',
  no_wasm: 'This browser cannot lock files',
  no_workers: 'This browser cannot lock files',
  no_randomness: 'This browser cannot lock files',
  broken_assets: 'This page did not arrive whole',
  out_of_memory: 'This computer is short of memory',
  cannot_save: 'The file could not be saved',
  too_big_to_save: 'Too big for this browser to save',
  bad_name: 'A name is too long',
  too_many_files: 'Too many files for one package',
  storage_full: 'This service is full',
  too_large: 'This is more than the service takes',
};

export interface WayOut {
  label: string;
  act: () => void;
}

/** Shows the failure screen. Without a way out its button is hidden. */
export function showFailure(error: SealiftError, ways: { retry?: WayOut; back?: WayOut } = {}): void {
  setText(part('failure-title'), HEADINGS[error.code] ?? 'That did not work');
  setText(part('failure-sentence'), error.message);
  setText(part('failure-advice'), error.advice);
  setText(part('failure-code'), error.code);
  wire(button('failure-retry'), ways.retry);
  wire(button('failure-back'), ways.back);
  showScreen('failure-screen');
  say(`${error.message} (${error.code})`);
}

function wire(target: HTMLButtonElement, way: WayOut | undefined): void {
  target.hidden = way === undefined;
  target.onclick = way?.act ?? null;
  if (way) setText(target, way.label);
}
