/**
 * Sends a package.
 *
 * The work is done in the control worker and its lanes; this class starts it, hands on what a person decides and tells
 * what happens.
 */
import type { FromControl, SendOrder, ToControl } from '../worker/control-messages';
import { startCore } from './core';
import { checkEnvironment } from './environment';
import { SealiftError } from './error';
import { recipientsCode } from './recipients';
import { relayPolicy } from './relay';
import { passwordRefusal } from './strength';
import { noProgress, type Progress, type SendOptions, type SendResult, type SendState } from './types';

/** How long a cancelled job waits for the relay to confirm that the package is gone. */
const CANCEL_MS = 5000;
const LANES_MAX = 8;
const POLICY_RETRY_MS = 1000;
const POLICY_RETRY_MS_MAX = 10_000;
/** Two lanes keep the tab under 200 MiB and a local network full; each further one costs about 60 MiB. */
const LANES_DEFAULT_MIN = 2;

/**
 * One package on its way.
 *
 * Events: `state`; `progress`; `created`, when there is a manage link; `transport` with detail `{transport, reason}`; `notice` with detail `{code, message}`,
 * such as `session_busy`, which a person may answer with `takeOver`.
 */
export class SendJob extends EventTarget {
  state: SendState = 'idle';
  progress: Progress;
  error: SealiftError | null = null;
  result: SendResult | null = null;
  /** The link that may delete the package; there as soon as the package is created (rule L4). */
  manageLink: string | null = null;
  /** Whether nothing of the package is left on the relay: said so by the relay, or never begun. */
  gone = true;

  private worker: Worker | null = null;
  private ending: { resolve(result: SendResult): void; reject(error: SealiftError): void } | null = null;

  /** As they were when the job was made: what a caller adds to its lists later is not part of it. */
  readonly options: SendOptions & { folders: string[] };

  /** @throws SealiftError `bad_usage` unless the protection is a password that is not empty, recipients, or the link. */
  constructor(options: SendOptions) {
    super();
    this.options = { ...options, files: [...options.files], folders: [...(options.folders ?? [])] };
    if (!isProtection(options.protection)) throw new SealiftError('bad_usage');
    const bytes = options.files.reduce((sum, { file }) => sum + file.size, 0);
    this.progress = noProgress(bytes, options.files.length);
  }

  /**
   * Sends everything; settles when it is sent, failed, cancelled or superseded.
   *
   * @throws SealiftError, the same that stands in `error`.
   */
  start(): Promise<SendResult> {
    if (this.state !== 'idle') return Promise.reject(new SealiftError('bad_usage'));
    return new Promise((resolve, reject) => {
      this.ending = { resolve, reject };
      this.enter('preparing');
      this.launch().catch((error: unknown) => this.fail(SealiftError.from(error)));
    });
  }

  pause(): void {
    this.say('pause');
  }

  resume(): void {
    this.say('resume');
  }

  /**
   * Stops and deletes what the relay has. Settles when that is done, or after five seconds without an answer: then
   * `gone` stays false, and the manage link can still delete the rest.
   */
  async cancel(): Promise<void> {
    if (this.ended()) return;
    const gone = new Promise<void>((resolve) => {
      this.addEventListener('state', () => this.ended() && resolve());
      setTimeout(resolve, CANCEL_MS);
    });
    if (this.worker) this.say('cancel');
    else this.close('cancelled');
    await gone;
    if (!this.ended()) this.close('cancelled');
  }

  /** Takes a package over that another window is sending. Only ever by a person's action (rule L5). */
  takeOver(): void {
    this.say('takeOver');
  }

  private async launch(): Promise<void> {
    const lacking = checkEnvironment();
    if (lacking) throw lacking;
    const { options } = this;
    const loading = Promise.all([startCore('control'), options.protection.kind === 'recipients' ? recipientsCode() : null]);
    const policy = this.askPolicy();
    policy.catch(() => {}); // told below
    const [{ worker, module }, keys] = await loading;
    await policy.catch((error: unknown) => {
      worker.terminate();
      throw error;
    });
    if (this.ended()) return worker.terminate(); // cancelled while it loaded
    this.enter('preparing');
    this.worker = worker;
    worker.onmessage = (event: MessageEvent<FromControl>) => this.heard(event.data);
    worker.onerror = () => this.fail(new SealiftError('internal'));
    document.addEventListener('resume', this.thawed);
    const order: SendOrder = {
      module,
      relay: new URL(options.relay ?? location.origin).origin,
      files: options.files,
      folders: options.folders,
      title: options.title ?? '',
      note: options.note ?? '',
      protection: options.protection,
      recipientsCode: keys,
      expiresInSeconds: options.expiresInSeconds ?? null,
      grant: options.grant ?? null,
      transports: options.transports ?? ['webtransport', 'websocket'],
      lanesMax: Math.min(options.lanesMax ?? defaultLanes(), LANES_MAX),
      engine: options.engine ?? 'auto',
    };
    worker.postMessage({ type: 'start', order } satisfies ToControl);
  }

  /**
   * What the relay asks of content protection is checked before anything is sent, and only ever adds to what was chosen.
   * While the relay cannot be reached it is asked again: nobody shall send a weak password by being offline for a moment.
   */
  private async askPolicy(): Promise<void> {
    const { protection, grant, relay } = this.options;
    for (let wait = POLICY_RETRY_MS; !this.ended(); wait = Math.min(2 * wait, POLICY_RETRY_MS_MAX)) {
      try {
        const { mode, passwordRule } = (await relayPolicy(grant, relay)).protection;
        if (mode === 'required' && protection.kind === 'link') throw new SealiftError('password_required');
        const password = passwordRule && 'password' in protection && protection.password;
        const refusal = password ? await passwordRefusal(password, passwordRule) : '';
        if (refusal) throw new SealiftError('weak_password', `${new SealiftError('weak_password').message}\n${refusal}`);
        return;
      } catch (thrown) {
        if (this.ended()) return; // cancelled meanwhile
        const error = SealiftError.from(thrown);
        if (!['network_lost', 'draining', 'relay_busy'].includes(error.code)) throw error;
        this.enter('waiting');
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  private heard(message: FromControl): void {
    switch (message.type) {
      case 'state':
        return message.state === 'superseded' ? this.close('superseded') : this.enter(message.state);
      case 'cancelled':
        this.gone = message.confirmed;
        return this.close('cancelled');
      case 'progress':
        this.progress = message.progress;
        return this.tell('progress');
      case 'transport':
        return this.tell('transport', { transport: message.transport, reason: message.reason });
      case 'notice': {
        const { code, message: sentence } = new SealiftError(message.code);
        return this.tell('notice', { code, message: sentence });
      }
      case 'created':
        this.manageLink = message.manageLink;
        this.gone = false;
        return this.tell('created');
      case 'sent':
        this.result = message.result;
        this.finish('sent');
        this.ending?.resolve(message.result);
        return;
      case 'failed': {
        const error = new SealiftError(message.code, message.message);
        return void this.told(message.path ? error.about(message.path) : error);
      }
    }
  }

  /** What is suddenly not there was removed: by somebody with the manage link, or because the policy has changed. */
  private async told(error: SealiftError): Promise<void> {
    const why = error.code === 'not_found' ? await this.askPolicy().catch((thrown: unknown) => SealiftError.from(thrown)) : null;
    this.fail(why ?? error);
  }

  /** The page was frozen and goes on. The worker notices by itself too; this is sooner. */
  private readonly thawed = () => this.say('thawed');

  private say(type: Exclude<ToControl['type'], 'start'>): void {
    this.worker?.postMessage({ type } satisfies ToControl);
  }

  private fail(error: SealiftError): void {
    if (this.ended()) return;
    this.error = error;
    this.finish('failed');
    this.ending?.reject(error);
  }

  private close(state: 'cancelled' | 'superseded'): void {
    if (this.ended()) return;
    this.error = new SealiftError(state);
    this.finish(state);
    this.ending?.reject(this.error);
  }

  private finish(state: SendState): void {
    document.removeEventListener('resume', this.thawed);
    this.worker?.terminate();
    this.worker = null;
    this.enter(state);
  }

  private ended(): boolean {
    return ['sent', 'failed', 'cancelled', 'superseded'].includes(this.state);
  }

  /** An end is an end: what comes late changes nothing. */
  private enter(state: SendState): void {
    if (this.state === state || this.ended()) return;
    this.state = state;
    this.tell('state');
  }

  private tell(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** By name and never by what is missing: a package without a password is one only when that was asked for. */
function isProtection(protection: unknown): boolean {
  const { kind, password, recipients } = (protection ?? {}) as { kind?: unknown; password?: unknown; recipients?: unknown };
  const own = typeof password === 'string' && password !== '';
  if (kind === 'recipients') return Array.isArray(recipients) && recipients.length > 0 && (own || password === undefined);
  return kind === 'link' ? password === undefined : kind === 'password' && own;
}

/** As many lanes as there are cores to seal for them. The session opens fewer when more do not help. */
function defaultLanes(): number {
  return Math.max(LANES_DEFAULT_MIN, navigator.hardwareConcurrency || 0);
}
