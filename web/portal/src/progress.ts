/**
 * The one progress panel, for sending and for downloading: a number that never goes back, rate, time left, the transport
 * in use, and Pause, Resume, Cancel.
 */
import type { Progress, Transport } from '../../src/sdk';
import { button, byId, part, setText } from './dom';
import { say, sayProgress } from './screens';
import * as words from './words';

/** What a panel can show of a job, whichever way it goes. */
export interface Job extends EventTarget {
  readonly progress: Progress;
  pause(): void;
  resume(): void;
}

/** How a state looks: heading, a line below it, and whether the bar moves, rests, or nothing can be paused any more. */
export interface Stage {
  title: string;
  lead?: string;
  hint?: string;
  motion: 'moving' | 'resting' | 'ending';
}

const REFRESH_MS = 250;
const TIME_LEFT_MS = 1_000;

const NAMES: Record<Transport, string> = { webtransport: 'WebTransport', websocket: 'WebSocket' };

/** Follows one job until `close`. */
export class ProgressPanel {
  readonly #ended = new AbortController();
  readonly #title = document.title;
  #stage: Stage = { title: '', motion: 'moving' };
  #shownAt = -Infinity;
  #leftAt = -Infinity;
  #timer = 0;

  constructor(
    private readonly job: Job,
    private readonly verb: 'Sending' | 'Downloading',
    cancel: () => void,
  ) {
    const { signal } = this.#ended;
    button('pause').addEventListener('click', () => job.pause(), { signal });
    button('resume').addEventListener('click', () => job.resume(), { signal });
    button('cancel').addEventListener('click', cancel, { signal });
    job.addEventListener('progress', () => this.#refreshSoon(), { signal });
    this.notice('');
  }

  /** Shows another state of the job. The keyboard stays on the button that took the place of the pressed one. */
  stage(stage: Stage): void {
    this.#stage = stage;
    setText(part('progress-title'), stage.title);
    setText(part('progress-lead'), stage.lead ?? '');
    part('progress-lead').hidden = !stage.lead;
    setText(part('progress-hint'), stage.hint ?? '');
    part('progress-card').toggleAttribute('data-resting', stage.motion === 'resting');

    const [pause, resume] = [button('pause'), button('resume')];
    const held = document.activeElement === pause || document.activeElement === resume;
    resume.hidden = stage.motion !== 'resting';
    pause.hidden = stage.motion !== 'moving';
    if (held) (resume.hidden ? (pause.hidden ? button('cancel') : pause) : resume).focus();
    say(stage.title);
    this.#leftAt = -Infinity;
    this.#refresh();
  }

  /** A calm sentence about something that happened on the way; empty to take it away. */
  notice(text: string, offerTakeOver = false): void {
    part('progress-notice').hidden = text === '';
    setText(part('progress-notice-text'), text);
    button('take-over').hidden = !offerTakeOver;
    if (text) say(text);
  }

  close(): void {
    document.title = this.#title;
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  #refreshSoon(): void {
    if (this.#timer) return;
    const wait = Math.max(0, REFRESH_MS - (performance.now() - this.#shownAt));
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#refresh();
    }, wait);
  }

  #refresh(): void {
    this.#shownAt = performance.now();
    const { bytesDone, bytesTotal, bytesPerSecond, secondsLeft, transport, lanes } = this.job.progress;
    const share = bytesTotal > 0 ? Math.min(1, bytesDone / bytesTotal) : this.#stage.motion === 'ending' ? 1 : 0;
    const percent = Math.floor(share * 100);
    const bar = byId('progress-bar', HTMLProgressElement);
    bar.value = Math.floor(share * 1000);
    bar.setAttribute('aria-valuetext', `${percent} percent`);
    setText(part('progress-percent'), String(percent));
    document.title = `${percent}% – ${this.#stage.title} – Sealift`; // Seen from another tab.
    setText(part('progress-done'), `${words.bytes(bytesDone, true)} of ${words.bytes(bytesTotal)}`);

    const moving = this.#stage.motion === 'moving';
    const connected = transport !== null || this.verb === 'Downloading';
    setText(part('progress-rate'), moving && connected && bytesPerSecond > 0 ? `${words.bytes(bytesPerSecond, true)}/s` : '–');
    if (!moving || secondsLeft === null) setText(part('progress-left'), '–');
    else if (performance.now() - this.#leftAt >= TIME_LEFT_MS) {
      this.#leftAt = performance.now();
      setText(part('progress-left'), words.timeLeft(secondsLeft));
    }
    const line = part('progress-connection');
    line.hidden = transport === null && (this.verb === 'Downloading' || this.#stage.motion === 'ending');
    line.toggleAttribute('data-live', transport !== null && this.#stage.motion !== 'resting');
    setText(line, transport ? `Connected over ${NAMES[transport]}${lanes > 1 ? `, ${lanes} connections` : ''}` : 'Not connected');
    if (moving && percent > 0) sayProgress(`${this.verb}: ${percent} percent`);
  }
}

/** The sentence for a change of transport. Which one is used never changes what is protected. */
export function transportSentence(to: Transport, from: Transport | null, reason: string): string {
  if (from === null || from === to) return '';
  if (reason.endsWith('is faster here.')) return `It goes on over ${NAMES[to]}, which is faster here. Nothing is lost, and the protection is the same.`;
  if (to === 'websocket')
    return 'The faster connection (WebTransport) was interrupted. It goes on over WebSocket from where it was. Nothing is lost, and the protection is the same.';
  return 'A faster connection (WebTransport) works now and is used from here on.';
}
