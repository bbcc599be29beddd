/**
 * While something is on its way: keeps the screen from sleeping and asks before the page is left.
 *
 * Both are kindnesses only. Nothing is lost without them but time.
 */
let working = false;
let lock: WakeLockSentinel | null = null;

/** Turns both on while `now` is true. */
export function keepAwake(now: boolean): void {
  if (now === working) return;
  working = now;
  if (now) {
    addEventListener('beforeunload', ask);
    document.addEventListener('visibilitychange', hold);
    hold();
  } else {
    removeEventListener('beforeunload', ask);
    document.removeEventListener('visibilitychange', hold);
    void lock?.release().catch(() => undefined);
    lock = null;
  }
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

/** A lock is dropped by the browser whenever the page is hidden, so it is asked for again each time the page is seen. */
function hold(): void {
  if (!working || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
  navigator.wakeLock.request('screen').then(
    (granted) => {
      if (working) lock = granted;
      else void granted.release();
    },
    () => undefined, // Refused on a low battery: no reason to bother anyone.
  );
}
