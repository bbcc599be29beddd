/**
 * A lane's worker: reads, seals and sends segment by segment over its own connection.
 *
 * It does what the control worker tells it and decides nothing. It never holds more than two segments of a file, and no
 * plaintext leaves it unsealed: the only bytes of a file that reach the transport are those that the sealer returned.
 * Start with `Lane.part`.
 */
import { LaneSealer, dataHeader, initSync, pickEngine } from '../wasm/sealift_client_wasm';
import type { LaneStream } from '../transport/lane';
import { openWebSocket } from '../transport/websocket';
import { hasWebTransport, openWebTransport } from '../transport/webtransport';
import { SealiftError } from '../sdk/error';
import { discarded } from './garbage';
import { openSource, type Source } from './source';
import type { FromLane, Making, PartFailure, PartOrder, ToLane, Verdict } from './lane-messages';

const PAIR_BYTES = 28;
const SEGMENT_BYTES = 512 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;
type Sealing = { kind: 'seal'; sealer: LaneSealer; source: Source };
type Sealed = { kind: 'sealed'; body: Bytes; pairs: Bytes };

class Stopped extends Error {}
class LaneEnded extends Error {}

class Lane {
  private stream: LaneStream | null = null;
  private ended = false;
  private lanes = 1;
  private webcrypto: Promise<boolean> = Promise.resolve(false);
  private readonly files = new Map<string, Sealing | Sealed>();
  private readonly stopped = new Set<number>();
  /** Parts are sent one after another; control frames go in between two segments. */
  private queue: Promise<void> = Promise.resolve();
  private reading: Source | null = null;

  handle(message: ToLane): void {
    switch (message.type) {
      case 'start':
        initSync({ module: message.module });
        this.webcrypto = pickEngine(message.engine).then((engine) => engine === 'webcrypto');
        break;
      case 'open':
        void this.open(message);
        break;
      case 'lanes':
        this.lanes = message.count;
        break;
      case 'send':
        this.stream?.write(message.frame).catch(() => {}); // the stream tells its end itself
        break;
      case 'file':
        this.files.set(message.file, make(message.making));
        break;
      case 'forget':
        this.forget(message.file);
        break;
      case 'part':
        this.queue = this.queue.then(() => this.part(message.part));
        break;
      case 'stop':
        this.stopped.add(message.order);
        break;
      case 'verify':
        void this.verify(message);
        break;
      case 'close':
        void this.end('closed by this side', true).then(() => self.close());
    }
  }

  private async open({ transport, address }: Extract<ToLane, { type: 'open' }>): Promise<void> {
    const listener = {
      received: (bytes: Uint8Array) => tell({ type: 'received', bytes }),
      closed: (reason: string) => void this.end(reason, true),
    };
    try {
      const stream = transport === 'webtransport'
        ? await openWebTransport(address, listener)
        : await openWebSocket(address, () => this.lanes, listener);
      if (this.ended) return stream.close();
      this.stream = stream;
      tell({ type: 'opened' });
    } catch (error) {
      await this.end(String((error as Error)?.message ?? error), transport === 'websocket' || hasWebTransport());
    }
  }

  /** Ends the lane. Parts that were under way are told before, with the pairs they have drawn. */
  private async end(reason: string, supported: boolean): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    this.stream?.close();
    await this.queue;
    tell({ type: 'closed', opened: this.stream !== null, supported, reason });
    for (const file of [...this.files.keys()]) this.forget(file);
  }

  private forget(file: string): void {
    const made = this.files.get(file);
    this.files.delete(file);
    if (made?.kind !== 'seal') return;
    made.source.rest();
    made.sealer.free();
  }

  private async part(part: PartOrder): Promise<void> {
    const made = this.files.get(part.file);
    const pairs = new PartPairs(part.segmentCount);
    let begun = false;
    try {
      if (!made) throw new Stopped();
      await this.write(part, part.begin);
      begun = true;
      if (made.kind === 'sealed') {
        await this.sendSealed(part, made);
        pairs.addAll(made.pairs.subarray(part.firstSegment * PAIR_BYTES));
      } else {
        await this.sealSegments(part, made, pairs);
        if (part.pairsBefore) {
          // The seal says that all of this is one file (rule C2).
          if (!(await made.source.checkUnchanged())) await this.compare(part, made, pairs.soFar());
          await this.sendSeal(part, made.sealer, pairs.soFar());
        }
      }
      tell({ type: 'sealed', order: part.order, pairs: pairs.soFar() });
    } catch (error) {
      const failure = partFailure(error);
      if (begun && failure !== 'lane') this.stream?.write(part.cancel).catch(() => {});
      tell({ type: 'failed', order: part.order, failure, pairs: pairs.soFar() });
    } finally {
      this.stopped.delete(part.order);
    }
  }

  /** Reads, seals and sends the part's segments. The next one is read while this one is sealed and sent. */
  private async sealSegments(part: PartOrder, { sealer, source }: Sealing, pairs: PartPairs): Promise<void> {
    if (this.reading !== source) this.reading?.rest(); // one open stream per lane
    this.reading = source;
    const webcrypto = await this.webcrypto;
    const read = (n: number) => {
      if (n >= part.segmentCount) return null;
      const bytes = source.read(sealer.offset(part.firstSegment + n), sealer.plainBytes(part.firstSegment + n));
      bytes.catch(() => {}); // told when it is awaited; a part that is stopped meanwhile never does
      return bytes;
    };
    let reading = read(0);
    for (let n = 0; reading; n++) {
      const plaintext = await reading;
      reading = read(n + 1);
      const index = part.firstSegment + n;
      // Rule C2: what was sealed before is compared before it is sealed again. A difference ends the attempt.
      const earlier = part.earlier.subarray(n * PAIR_BYTES, (n + 1) * PAIR_BYTES);
      if (earlier.length && !(await sealer.matches(index, earlier, plaintext, webcrypto))) throw new SealiftError('file_changed');
      // `before` is the frame's header, the segment's framing and its IV; `sealed` the ciphertext and tag.
      const [before, sealed, pair] = (await sealer.seal(index, plaintext, webcrypto)) as [Bytes, Bytes, Bytes];
      pairs.add(pair);
      await this.write(part, before, sealed);
      discarded(sealed.length);
    }
  }

  /**
   * Reads the whole file once more and compares it with all that was sealed of it, where the browser does not tell of
   * a change. It begins after the last segment was sealed, so at that moment the file was what was sealed.
   */
  private async compare(part: PartOrder, { sealer, source }: Sealing, pairs: Bytes): Promise<void> {
    source.rest();
    const webcrypto = await this.webcrypto;
    const count = part.firstSegment + part.segmentCount;
    for (let index = 0; index < count; index++) {
      if (this.stopped.has(part.order)) throw new Stopped();
      if (this.ended) throw new LaneEnded();
      const own = index - part.firstSegment;
      const pair = own < 0 ? pairAt(part.pairsBefore!, index) : pairAt(pairs, own);
      const plaintext = await source.read(sealer.offset(index), sealer.plainBytes(index));
      if (!(await sealer.matches(index, pair, plaintext, webcrypto))) throw new SealiftError('file_changed');
      discarded(plaintext.length);
    }
  }

  private async sendSeal(part: PartOrder, sealer: LaneSealer, pairs: Uint8Array): Promise<void> {
    const seal = sealer.finish(part.pairsBefore!, pairs) as Bytes;
    await this.write(part, dataHeader(seal.length) as Bytes, seal);
  }

  private async sendSealed(part: PartOrder, { body }: Sealed): Promise<void> {
    const start = part.firstSegment * SEGMENT_BYTES;
    const end = part.pairsBefore ? body.length : start + part.segmentCount * SEGMENT_BYTES;
    for (let at = start; at < end; at += SEGMENT_BYTES) {
      // The seal may lie behind a full last segment: then it makes a short frame of its own.
      const bytes = body.subarray(at, Math.min(end, at + SEGMENT_BYTES));
      await this.write(part, dataHeader(bytes.length) as Bytes, bytes);
    }
  }

  private async write(part: PartOrder, ...chunks: Bytes[]): Promise<void> {
    if (this.stopped.has(part.order)) throw new Stopped();
    if (this.ended || !this.stream) throw new LaneEnded();
    try {
      await this.stream.write(...chunks);
    } catch (cause) {
      throw new LaneEnded('the lane ended', { cause });
    }
  }

  /** One verdict over all pairs (rule C1). */
  private async verify({ file, firstSegment, pairs }: Extract<ToLane, { type: 'verify' }>): Promise<void> {
    let verdict: Verdict = 'same';
    const made = this.files.get(file);
    const webcrypto = await this.webcrypto;
    try {
      if (!made) throw new Stopped();
      if (made.kind === 'sealed') {
        const own = made.pairs.subarray(firstSegment * PAIR_BYTES, firstSegment * PAIR_BYTES + pairs.length);
        const same = own.length === pairs.length && own.every((byte, i) => byte === pairs[i]);
        return tell({ type: 'verified', verdict: same ? 'same' : 'changed' });
      }
      for (let n = 0; n * PAIR_BYTES < pairs.length; n++) {
        const index = firstSegment + n;
        const plaintext = await made.source.read(made.sealer.offset(index), made.sealer.plainBytes(index));
        const pair = pairs.subarray(n * PAIR_BYTES, (n + 1) * PAIR_BYTES);
        if (!(await made.sealer.matches(index, pair, plaintext, webcrypto))) verdict = 'changed';
      }
    } catch (error) {
      verdict = partFailure(error) === 'file_changed' ? 'changed' : 'unreadable';
    }
    tell({ type: 'verified', verdict });
  }
}

function pairAt(pairs: Uint8Array, index: number): Uint8Array {
  return pairs.subarray(index * PAIR_BYTES, (index + 1) * PAIR_BYTES);
}

/** The (IV, tag) pairs of the segments sealed so far. */
class PartPairs {
  private readonly bytes: Bytes;
  private filled = 0;

  constructor(segmentCount: number) {
    this.bytes = new Uint8Array(segmentCount * PAIR_BYTES);
  }

  add(pair: Bytes): void {
    this.bytes.set(pair, this.filled);
    this.filled += pair.length;
  }

  addAll(pairs: Bytes): void {
    this.add(pairs.subarray(0, this.bytes.length));
  }

  soFar(): Bytes {
    return this.bytes.slice(0, this.filled);
  }
}

function make(making: Making): Sealing | Sealed {
  if (making.kind === 'sealed') return making;
  const sealer = new LaneSealer(making.sealer);
  making.sealer.fill(0);
  return { kind: 'seal', sealer, source: openSource(making.source) };
}

function partFailure(error: unknown): PartFailure {
  if (error instanceof Stopped) return 'stopped';
  if (error instanceof LaneEnded) return 'lane';
  const { code } = SealiftError.from(error);
  return code === 'file_changed' || code === 'file_unreadable' ? code : 'sealing';
}

function tell(message: FromLane): void {
  self.postMessage(message);
}

/** Makes this worker a lane. */
export function beLane(): void {
  const lane = new Lane();
  self.onmessage = (event: MessageEvent<ToLane>) => lane.handle(event.data);
}
