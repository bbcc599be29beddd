/**
 * The control worker: one package on its way.
 *
 * It makes the keys, drives the session (which decides everything: lanes, parts, retries, times) and carries out what
 * the session asks for. All timers that matter live here, not in the page, whose timers stop in the background. Bulk
 * bytes never come through here; each lane's worker reads, seals and sends on its own.
 *
 * Start with `Sending.run`, then `Sending.carryOut`.
 */
import { SendSession, initSync } from '../wasm/sealift_client_wasm';
import { SealiftError } from '../sdk/error';
import type { Progress, SendState } from '../sdk/types';
import { CLIENT } from '../sdk/version';
import { startChecked, startSibling } from './assets';
import { Caller } from './calls';
import type { FromControl, SendOrder, ToControl } from './control-messages';
import type { PreparedFile, SessionAction } from './control-actions';
import type { NewKeyring } from './kdf-answers';
import { LaneWorker } from './lane-worker';
import type { FromLane, Making, Verdict } from './lane-messages';

/** A clock that stood still for so long: the page was frozen or the computer slept. */
const FROZEN_MS = 8000;
const TICK_MS = 1000;

class Sending {
  private session: SendSession | null = null;
  private kdf: Caller | null = null;
  private readonly lanes = new Map<number, LaneWorker>();
  private readonly makings = new Map<string, Making>();
  private wakeTimer = 0;
  private state: SendState = 'preparing';
  private filesDone = 0;
  private ended = false;
  private verifier: LaneWorker | null = null;
  private verifying: Promise<void> = Promise.resolve();
  private verified: (message: FromLane) => void = () => {};

  constructor(private readonly order: SendOrder) {}

  async run(): Promise<void> {
    initSync({ module: this.order.module });
    this.watchClock();
    try {
      const keyring = await this.makeKeyring();
      if (this.ended) return;
      this.enter('preparing');
      this.prepare(keyring);
      this.carryOut();
    } catch (error) {
      this.fail(error);
    }
  }

  say(what: Exclude<ToControl['type'], 'start'>): void {
    if (this.session) {
      this.session.say(performance.now(), what);
      this.carryOut();
    } else if (what === 'cancel') {
      this.kdf?.end();
      this.end();
      tell({ type: 'cancelled', confirmed: true });
    }
  }

  private async makeKeyring(): Promise<NewKeyring> {
    const { protection, module, recipientsCode } = this.order;
    if ('password' in protection) this.enter('deriving');
    const keys = protection.kind === 'recipients' ? recipientsCode! : null;
    this.kdf = new Caller(keys ? startChecked(keys.script, 'recipients') : startSibling('kdf'));
    try {
      await this.kdf.call('start', keys?.module ?? module);
      return await this.kdf.call<NewKeyring>('make', protection);
    } finally {
      this.kdf.end(); // gives Argon2's memory back
      this.kdf = null;
    }
  }

  private prepare({ key, keyring, secret }: NewKeyring): void {
    const { files, folders, title, note, grant, expiresInSeconds, transports, lanesMax, relay } = this.order;
    const session = new SendSession(key, keyring, secret, title, note);
    key.fill(0);
    secret?.fill(0);
    for (const { path, file } of files) session.addFile(path, file.size, file.lastModified, file.type);
    for (const folder of folders) session.addFolder(folder);
    for (const prepared of session.prepare() as PreparedFile[]) this.makings.set(prepared.file, this.making(prepared));
    session.begin(performance.now(), CLIENT, grant ?? undefined, expiresInSeconds ?? undefined, transports.join(','), lanesMax);
    this.session = session;
    tell({ type: 'created', packageId: session.packageId, manageLink: session.manageLink(relay) });
  }

  private making({ sealer, members, bytes }: PreparedFile): Making {
    const files = members.map(([index, offset]) => ({ file: this.order.files[index]!.file, offset }));
    const alone = files.length === 1 && files[0]!.offset === 0;
    return {
      kind: 'seal',
      sealer,
      source: alone ? { kind: 'file', file: files[0]!.file } : { kind: 'pack', members: files, bytes },
    };
  }

  /** Does what the session asks for until it asks for nothing, then sets the alarm for its next wish. */
  private carryOut(): void {
    try {
      for (;;) {
        const action = this.ended ? undefined : (this.session?.poll(performance.now()) as SessionAction | undefined);
        if (!action) break;
        this.act(action);
      }
    } catch (error) {
      this.fail(error);
    }
    clearTimeout(this.wakeTimer);
    const wake = this.ended ? undefined : this.session?.nextWake();
    if (wake === undefined) return;
    this.wakeTimer = setTimeout(() => {
      this.session?.wake(performance.now());
      this.carryOut();
    }, Math.max(0, wake - performance.now()));
  }

  private act(action: SessionAction): void {
    switch (action.type) {
      case 'open':
        return this.openLane(action.lane, action.transport);
      case 'close':
        return this.dropLane(action.lane);
      case 'send':
        return this.lanes.get(action.lane)?.post({ type: 'send', frame: action.frame });
      case 'part': {
        const lane = this.lanes.get(action.lane);
        const making = this.makings.get(action.file);
        if (lane && making) lane.part(action, making);
        return;
      }
      case 'stop':
        if (action.order !== null) this.lanes.get(action.lane)?.post({ type: 'stop', order: action.order });
        return;
      case 'verify':
        return this.verify(action);
      case 'manifest':
        this.makings.set(action.file, { kind: 'sealed', body: action.body, pairs: action.pairs });
        return;
      case 'state':
        return this.enter(action.state);
      case 'transport':
        return tell({ type: 'transport', transport: action.transport, reason: action.reason });
      case 'progress':
        return this.progress(action);
      case 'committed':
        return this.committed(action.file, action.fileCount);
      case 'busy':
        return tell({ type: 'notice', code: 'session_busy' });
      case 'finished':
        return this.finished(action.expiresAt);
      case 'failed':
        this.end();
        return tell({ type: 'failed', code: action.code, path: action.path });
      case 'cancelled':
        this.end();
        return tell({ type: 'cancelled', confirmed: action.confirmed });
      case 'superseded':
        this.end();
        return tell({ type: 'state', state: 'superseded' });
    }
  }

  private openLane(number: number, transport: 'webtransport' | 'websocket'): void {
    const { module, engine, relay } = this.order;
    const lane = new LaneWorker(module, engine, (message) => this.heard(number, message));
    this.lanes.set(number, lane);
    lane.open(transport, relay);
  }

  private heard(lane: number, message: FromLane): void {
    const session = this.session;
    if (!session || this.ended) return;
    const now = performance.now();
    switch (message.type) {
      case 'opened':
        session.laneOpened(now, lane);
        this.shareQueues();
        break;
      case 'closed':
        this.lanes.delete(lane);
        session.laneClosed(now, lane, message.opened ? 'closed' : message.supported ? 'not_opened' : 'unsupported');
        this.shareQueues();
        break;
      case 'received':
        try {
          session.received(now, lane, message.bytes);
        } catch {
          this.dropLane(lane); // its worker reports the parts under way, then that it is closed
        }
        break;
      case 'sealed':
        session.partSealed(now, message.order, message.pairs);
        break;
      case 'failed':
        session.partFailed(now, message.order, message.failure, message.pairs);
        break;
    }
    this.carryOut();
  }

  private dropLane(lane: number): void {
    this.lanes.get(lane)?.post({ type: 'close' });
    this.lanes.delete(lane);
    this.shareQueues();
  }

  private shareQueues(): void {
    for (const lane of this.lanes.values()) lane.post({ type: 'lanes', count: this.lanes.size });
  }

  /** Compares recorded pairs with the file: one comparison after another, in one worker without a connection. */
  private verify(action: Extract<SessionAction, { type: 'verify' }>): void {
    this.verifying = this.verifying.then(async () => {
      if (this.ended) return;
      const making = this.makings.get(action.file);
      const verdict = making ? await this.verdictOn(action, making) : 'unreadable';
      if (this.ended) return;
      this.session?.partVerified(performance.now(), action.file, action.part, verdict);
      this.carryOut();
    });
  }

  private verdictOn({ file, firstSegment, pairs }: Extract<SessionAction, { type: 'verify' }>, making: Making): Promise<Verdict> {
    return new Promise((resolve) => {
      const { module, engine } = this.order;
      this.verifier ??= new LaneWorker(module, engine, (message) => this.verified(message));
      this.verified = (message) => {
        if (message.type === 'verified') resolve(message.verdict);
        if (message.type === 'closed') {
          this.verifier = null;
          resolve('unreadable');
        }
      };
      this.verifier.introduce(file, making);
      this.verifier.post({ type: 'verify', file, firstSegment, pairs });
    });
  }

  private committed(file: string, fileCount: number): void {
    this.filesDone += fileCount;
    this.forget(file);
  }

  private forget(file: string): void {
    const making = this.makings.get(file);
    this.makings.delete(file);
    if (making?.kind === 'seal') making.sealer.fill(0);
    for (const lane of this.lanes.values()) lane.forget(file);
    this.verifier?.forget(file);
  }

  private finished(expiresAt: number): void {
    const session = this.session!;
    const { relay } = this.order;
    const receiveLink = session.receiveLink(relay);
    if (receiveLink === undefined) return this.fail(new SealiftError('internal'));
    const result = {
      packageId: session.packageId,
      receiveLink,
      manageLink: session.manageLink(relay),
      expiresAt: new Date(expiresAt * 1000),
    };
    this.end();
    tell({ type: 'sent', result });
  }

  private progress(action: Extract<SessionAction, { type: 'progress' }>): void {
    const { type: _, ...figures } = action;
    const progress: Progress = { ...figures, filesDone: this.filesDone, filesTotal: this.order.files.length };
    tell({ type: 'progress', progress });
  }

  private enter(state: SendState): void {
    if (this.state === state) return;
    this.state = state;
    tell({ type: 'state', state });
  }

  private fail(error: unknown): void {
    if (this.ended) return;
    this.end();
    const { code, message } = SealiftError.from(error);
    tell({ type: 'failed', code, message, path: null });
  }

  private end(): void {
    this.ended = true;
    clearTimeout(this.wakeTimer);
    for (const file of [...this.makings.keys()]) this.forget(file);
    for (const lane of [...this.lanes.keys()]) this.dropLane(lane);
    this.verifier?.post({ type: 'close' });
  }

  /** A frozen page's timers stop; when they go on, every lane is dead although none says so. */
  private watchClock(): void {
    let last = Date.now();
    const timer = setInterval(() => {
      const now = Date.now();
      if (now - last > FROZEN_MS) this.say('thawed');
      last = now;
      if (this.ended) clearInterval(timer);
    }, TICK_MS);
    for (const what of ['online', 'offline'] as const) {
      self.addEventListener(what, () => {
        this.session?.say(performance.now(), what);
        this.carryOut();
      });
    }
  }
}

function tell(message: FromControl): void {
  self.postMessage(message);
}

/** Makes this worker a control worker. */
export function beControl(): void {
  let sending: Sending | null = null;
  self.onmessage = (event: MessageEvent<ToControl>) => {
    const message = event.data;
    if (message.type === 'start') {
      sending = new Sending(message.order);
      void sending.run();
    } else {
      sending?.say(message.type);
    }
  };
}
