/** Which version of Sealift this page is: said with every request, and compared with what the relay asks for. */

/** `X.Y.Z`, put in by the build. */
declare const __SEALIFT_VERSION__: string;
export const VERSION = __SEALIFT_VERSION__;

/** What the page calls itself, and what it can do beyond the first version. */
export const CLIENT = `web/${VERSION} (recipients,rekey)`;

/** Dispatches `outdated` when a relay says that this version will soon be too old. */
export const versionEvents = new EventTarget();

/** Whether version `a` is older than `b`; a `b` that is none of ours, or null, asks for nothing. */
export function olderThan(a: string, b: string | null | undefined): boolean {
  const numbers = (text: string) => /^(\d+)\.(\d+)\.(\d+)$/.exec(text)?.slice(1).map(Number);
  const [mine, asked] = [numbers(a), numbers(b ?? '')];
  if (!mine || !asked) return false;
  const at = mine.findIndex((number, nth) => number !== asked[nth]);
  return at >= 0 && mine[at]! < asked[at]!;
}
