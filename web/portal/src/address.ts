/**
 * The page's address. Its secret part is read once and taken out of sight at once (rule L7); it is put back only to load
 * a newer version of the page.
 */

/** Marks an address that was loaded past all caches. */
const FRESH = 'fresh';

const whole = new URL(location.href);
/** Whether this very page was asked for past all caches. */
export const isFresh = whole.searchParams.has(FRESH);
whole.searchParams.delete(FRESH);

/** The address with its secret part, which is no longer in the address bar. */
export function takeAddress(): string {
  history.replaceState(null, '', whole.pathname + whole.search);
  addEventListener('hashchange', () => location.reload()); // Another link was pasted over this one.
  return whole.href;
}

/**
 * Loads this page again as the relay has it now. No cache on the way knows the new address, and the one in this browser
 * is told to forget the old.
 */
export async function loadNewer(): Promise<void> {
  await fetch(whole.pathname, { cache: 'reload' }).catch(() => undefined);
  const next = new URL(whole);
  next.searchParams.set(FRESH, String(Date.now()));
  location.replace(next);
}
