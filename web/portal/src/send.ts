/**
 * The Send page: from the form through the progress to the link.
 *
 * `?transports=websocket` and `?lanes=1` restrict the way the bytes travel, for tests and for networks that need it.
 */
import {
  checkEnvironment, clearStaging, readSendLink, relayPolicy, SealiftError, SendJob,
  type Protection, type SendOptions, type SendResult, type SendState, type Transport,
} from '../../src/sdk';
import { takeAddress } from './address';
import { keepAwake } from './awake';
import { Compose, type Composed } from './compose';
import { wireCopy } from './copy';
import { button, byId, input, part, setText } from './dom';
import { showFailure } from './failure';
import { ProgressPanel, transportSentence, type Stage } from './progress';
import { drawnQr } from './qr';
import { say, showScreen } from './screens';
import * as words from './words';

const LINK_HELP: Record<Protection['kind'], string> = {
  password: 'Give it to the people who shall open it.',
  link: 'Give it only to the people who shall open it: whoever has it can.',
  recipients: 'Give it to the people whose keys you added. They open it with their identity file.',
};

/** What a relay's new policy ends, it also removes. */
const REMOVED_BY_RELAY = new Set(['password_required', 'kdf_too_weak', 'content_protection_required']);

const STAY = 'Keep this page open until it is done. You can use other tabs and programs meanwhile.';

/** While another client has the upload: nothing happens here without a person. */
const BUSY: Stage = { title: 'This goes on in another window', lead: 'It stays there unless you go on here. Then the other one stops.', motion: 'ending' };

/** How each state of a job looks while it lasts; the others are screens of their own. */
function stageOf(state: SendState, job: SendJob): Stage | null {
  const what = words.amount(job.options.files.length, job.options.folders.length);
  switch (state) {
    case 'preparing': return { title: 'Getting ready', lead: `Looking through ${what}.`, motion: 'ending' };
    case 'deriving': return { title: 'Making the key', lead: 'Turning your password into a key takes a moment, on purpose: it makes guessing slow.', motion: 'ending' };
    case 'sending': return { title: `Sending ${what}`, hint: STAY, motion: 'moving' };
    case 'paused': return { title: 'Paused', lead: 'Nothing is lost. Go on when you like, as long as this page stays open.', motion: 'resting' };
    case 'waiting': return { title: 'Waiting for the connection', lead: 'It goes on by itself when the connection is back. Nothing is lost.', hint: STAY, motion: 'moving' };
    case 'finishing': return { title: 'Almost done', lead: 'Making sure that everything is stored, whole and unchanged.', hint: STAY, motion: 'ending' };
    default: return null;
  }
}

class SendPage {
  readonly #grant: string | null;
  readonly #compose: Compose;
  #result: SendResult | null = null;
  #password = '';

  constructor(grant: string | null) {
    this.#grant = grant;
    this.#compose = new Compose((composed) => void this.#send(composed));
    this.#wireSent();
    this.#compose.show('', false);
    void this.#askPolicy();
  }

  async #askPolicy(): Promise<void> {
    try {
      const policy = await relayPolicy(this.#grant);
      this.#compose.restrict(policy.protection);
      if (policy.expiryChoicesSeconds.length > 0) {
        this.#compose.offerExpiry(policy.expiryChoicesSeconds, policy.expiryDefaultSeconds ?? 7 * 86_400);
      }
      if (policy.packageBytesMax !== null) {
        setText(part('add-help'), `You can also paste them. Up to ${words.bytes(policy.packageBytesMax)} at a time.`);
      }
      if (!policy.uploadsOpen && this.#grant === null) showFailure(new SealiftError('grant_required'));
    } catch (thrown) {
      const error = SealiftError.from(thrown);
      if (['client_too_old', 'grant_invalid', 'grant_expired'].includes(error.code)) showFailure(error);
      // Else it is not reachable just now: the form works with the usual choices, and sending says what is wrong.
    }
  }

  async #send(composed: Composed): Promise<void> {
    const options: SendOptions = { ...composed, ...limits(), grant: this.#grant ?? undefined };
    const job = new SendJob(options);
    let ended = false;
    const panel = new ProgressPanel(job, 'Sending', () => {
      ended = true;
      panel.stage({ title: 'Cancelling', lead: 'Deleting what has already been sent.', motion: 'ending' });
      void job.cancel();
    });
    let transport: Transport | null = null;
    let moved = '';
    let busy = false;
    job.addEventListener('state', () => {
      if (ended) return;
      const stage = busy && job.state === 'waiting' ? BUSY : stageOf(job.state, job);
      if (stage) panel.stage(stage);
      if (job.state === 'sending') panel.notice(moved); // Whatever else was in the way is over.
    });
    job.addEventListener('transport', (event) => {
      const { transport: next, reason } = (event as CustomEvent<{ transport: Transport | null; reason: string }>).detail;
      if (next === null || next === transport) return;
      moved = transportSentence(next, transport, reason);
      transport = next;
      panel.notice(moved);
    });
    job.addEventListener('notice', (event) => {
      const { code, message } = (event as CustomEvent<{ code: string; message: string }>).detail;
      busy = code === 'session_busy';
      if (busy) panel.stage(BUSY);
      panel.notice(message, busy);
    });
    job.addEventListener('created', () => this.#offerManageLink(job, 'progress-screen'));
    button('take-over').onclick = () => {
      busy = false;
      panel.notice('');
      panel.stage(stageOf('waiting', job) as Stage);
      job.takeOver();
    };

    byId('manage', HTMLDetailsElement).hidden = true; // That of the package before.
    panel.stage(stageOf('preparing', job) as Stage);
    showScreen('progress-screen');
    keepAwake(true);
    try {
      const result = await job.start();
      this.#password = ('password' in composed.protection && composed.protection.password) || '';
      this.#showSent(job, result);
    } catch (thrown) {
      this.#showEnd(SealiftError.from(thrown), composed, job);
    } finally {
      ended = true;
      keepAwake(false);
      panel.close();
    }
  }

  #showEnd(error: SealiftError, composed: Composed, job: SendJob): void {
    if (error.code === 'cancelled' && job.gone) return this.#compose.show('Cancelled. Nothing of it is kept. Your files are still in the list.');
    if (error.code === 'superseded') return showFailure(error);
    const back = {
      label: 'Back to the files',
      act: () => {
        this.#compose.show();
        void this.#askPolicy(); // It may ask for more than it did.
      },
    };
    const { manageLink } = job;
    const remove = !job.gone && manageLink !== null && !REMOVED_BY_RELAY.has(error.code) ? { label: 'Delete what was sent', act: () => void open(manageLink, '_blank', 'noopener') } : undefined;
    if (error.code === 'cancelled') {
      const unconfirmed = 'It is stopped here, but the relay did not answer. It may keep what was sent, unfinished and sealed, until you delete it.';
      return showFailure(new SealiftError('cancelled', unconfirmed), { retry: remove, back });
    }
    const again = { label: 'Try again', act: () => void this.#send(composed) };
    showFailure(error, { retry: error.retryable ? again : remove, back });
  }

  #showSent(job: SendJob, result: SendResult): void {
    this.#result = result;
    const { files, folders } = job.options;
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    setText(part('sent-lead'), `${words.amount(files.length, folders.length)}, ${words.bytes(size)}. Available until ${words.date(result.expiresAt)}.`);
    input('link').value = result.receiveLink;
    this.#offerManageLink(job, 'sent-screen');
    const { kind } = job.options.protection;
    part('sent-password').hidden = kind !== 'password';
    setText(part('link-help'), LINK_HELP[kind]);
    button('share').hidden = typeof navigator.share !== 'function';
    this.#showQr(false);
    showScreen('sent-screen');
    say('Sent');
  }

  #wireSent(): void {
    wireCopy(button('copy-link'), () => input('link').value, input('link'));
    wireCopy(button('copy-manage'), () => input('manage-link').value, input('manage-link'));
    wireCopy(button('copy-sent-password'), () => this.#password);
    for (const id of ['link', 'manage-link']) input(id).addEventListener('focus', () => input(id).select());
    button('show-qr').addEventListener('click', () => this.#showQr(part('qr-box').hidden !== false));
    button('share').addEventListener('click', () => {
      if (this.#result) navigator.share({ url: this.#result.receiveLink }).catch(() => undefined); // Dismissed.
    });
    button('send-more').addEventListener('click', () => {
      this.#result = null;
      this.#password = '';
      for (const id of ['link', 'manage-link']) input(id).value = '';
      this.#compose.reset();
      this.#compose.show();
    });
  }

  /** There from the moment the package exists (rule L4), on whichever screen is shown. */
  #offerManageLink({ manageLink }: SendJob, screen: string): void {
    const details = byId('manage', HTMLDetailsElement);
    input('manage-link').value = manageLink ?? '';
    details.open = false;
    details.hidden = false;
    if (details.closest('.screen')?.id !== screen) part(screen).lastElementChild?.before(details);
  }

  #showQr(shown: boolean): void {
    const box = part('qr-box');
    box.hidden = !shown;
    box.replaceChildren();
    if (shown && this.#result) {
      drawnQr(this.#result.receiveLink, 'QR code of the link').then(
        (drawn) => box.replaceChildren(drawn),
        (thrown: unknown) => box.replaceChildren(SealiftError.from(thrown).message),
      );
    }
    button('show-qr').setAttribute('aria-expanded', String(shown));
    setText(button('show-qr'), shown ? 'Hide QR code' : 'Show QR code');
  }
}

/** Restrictions from the address. */
function limits(): Pick<SendOptions, 'transports' | 'lanesMax'> {
  const query = new URLSearchParams(location.search);
  const transports = query.get('transports')?.split(',').filter((name): name is Transport => name === 'webtransport' || name === 'websocket');
  const lanes = Number(query.get('lanes'));
  return { transports: transports?.length ? transports : undefined, lanesMax: lanes > 0 ? lanes : undefined };
}

/** Reads the permission out of a send link and takes it out of the address at once. */
async function takeGrant(): Promise<string | null> {
  const link = takeAddress();
  return new URL(link).hash.length < 2 ? null : readSendLink(link);
}

async function start(): Promise<void> {
  const missing = checkEnvironment();
  if (missing) return showFailure(missing);
  try {
    new SendPage(await takeGrant());
  } catch (thrown) {
    showFailure(SealiftError.from(thrown));
  }
}

void clearStaging();
void start();
