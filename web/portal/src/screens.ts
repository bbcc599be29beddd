/**
 * One screen at a time. Changing it moves the keyboard to the new heading, so that a screen reader begins there,
 * and says in the one live region what happened.
 */
import { versionEvents } from '../../src/sdk';
import { el, part } from './dom';

for (const link of document.querySelectorAll<HTMLAnchorElement>('.site-header nav a')) {
  if (link.pathname === location.pathname) link.setAttribute('aria-current', 'page');
}

/* The relay says that this version will soon be too old: a sentence above everything, once. */
versionEvents.addEventListener(
  'outdated',
  () => document.querySelector('main')?.prepend(el('p', 'banner warning outdated', 'There is a newer version of this page, and this one will soon no longer be taken. Reload it when nothing is under way.')),
  { once: true },
);

/** Shows one `<section class="screen">` and hides the others. */
export function showScreen(id: string, options: { focus?: boolean } = {}): void {
  for (const screen of document.querySelectorAll<HTMLElement>('.screen')) screen.hidden = screen.id !== id;
  if (options.focus === false) return;
  window.scrollTo(0, 0);
  document.querySelector<HTMLElement>(`#${id} h1`)?.focus({ preventScroll: true });
}

export function shownScreen(): string {
  return document.querySelector<HTMLElement>('.screen:not([hidden])')?.id ?? '';
}

const PAUSE_MS = 5_000;
let spokenAt = -Infinity;
let spoken = '';

/** Says something now: a change of state, or an error's sentence with its code. */
export function say(text: string): void {
  if (text === spoken) return;
  spoken = text;
  spokenAt = performance.now();
  part('status').textContent = text;
}

/** Says how far things are, at most every five seconds: a screen reader must not talk without end. */
export function sayProgress(text: string): void {
  if (performance.now() - spokenAt >= PAUSE_MS) say(text);
}
