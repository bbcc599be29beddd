/**
 * The worker of one opened package: it holds the package key, reads the manifest and opens files into sinks.
 *
 * A file is taken segment by segment: read, open, write, and only when the seal over all of them verifies is it
 * finished. A pack is fetched whole and verified before any of its members is handed out.
 */
import { LayoutFinder, PackageOpener, initSync, inspectKeyring, pickEngine, readReceiveLink, type SegmentOpener } from '../wasm/sealift_client_wasm';
import { SealiftError } from '../sdk/error';
import { LocalBody, RemoteBody, type BodyReader, type StoredBody } from './body';
import { Handover, serve } from './calls';
import type { KeyringNeeds, ReceiveLink } from './kdf-answers';
import type { FileToSave, Layout, ManifestAnswer, SaveOrder, SaveReport, SealedPlace } from './open-messages';
import { discarded } from './garbage';
import { createFolder, openSink, type Sink } from './sinks';
import { ZipWriter } from './zip';

type Bytes = Uint8Array<ArrayBuffer>;

const SEAL_BYTES = 48;
const REPORT_MS = 100;
/** A lost connection is tried again after so long, doubling, and given up after ten minutes of trying. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;
const GIVE_UP_MS = 600_000;
/** Most of one try that counts towards giving up: a computer that slept has not tried. A silent relay ends a try after 30 s. */
const TRY_MS_MAX = 30_000;
/** Members of a pack that are saved side by side. */
const FILES_AT_ONCE = 8;

let opener: PackageOpener | null = null;
let webcrypto: Promise<boolean>;
const jobs = new Map<number, SaveJob>();

/** Makes this worker one that opens a package. */
export const beOpener = () => serve({
  start(module: WebAssembly.Module) {
    initSync({ module });
    webcrypto = pickEngine('auto').then((engine) => engine === 'webcrypto');
  },
  readLink: (link: string) => readReceiveLink(link) as ReceiveLink,
  inspect: (keyring: Bytes) => inspectKeyring(keyring) as KeyringNeeds,
  layout,
  /** Takes the key, as the key worker gave it. */
  unlock(key: Bytes) {
    opener?.free();
    opener = new PackageOpener(key);
    key.fill(0);
  },
  manifest({ head, body, pin }: { head: Bytes; body: Bytes; pin: Bytes | null }) {
    return opener!.openManifest(head, body, pin ?? undefined) as ManifestAnswer;
  },
  /** For a `.sealift` file that holds one file and no manifest. */
  async alone(place: SealedPlace) {
    const segments = opener!.alone(await stored(place).head(new AbortController().signal));
    const metadata = segments.metadata() as unknown;
    segments.free();
    return metadata;
  },
  save(order: SaveOrder) {
    const job = new SaveJob(order);
    jobs.set(order.job, job);
    return job.run().finally(() => jobs.delete(order.job));
  },
  pause: (job: number) => jobs.get(job)?.pause(),
  resume: (job: number) => jobs.get(job)?.resume(),
  cancel: (job: number) => jobs.get(job)?.cancel(),
});

/** Finds the pieces of a `.sealift` file, and reads its keyring. */
async function layout(file: File): Promise<Handover<Layout>> {
  const finder = new LayoutFinder(file.size);
  for (let wants; (wants = finder.wants() as [number, number] | undefined); ) {
    finder.supply(await readSlice(file, wants));
  }
  const found = finder.finish() as Omit<Layout, 'keyringBytes'> & { keyring: [number, number] };
  const keyringBytes = await readSlice(file, found.keyring);
  return new Handover({ ...found, keyringBytes }, [keyringBytes.buffer]);
}

async function readSlice(file: File, [start, end]: [number, number]): Promise<Bytes> {
  try {
    return new Uint8Array(await file.slice(start, end).arrayBuffer());
  } catch (cause) {
    throw new SealiftError('file_unreadable', undefined, { cause });
  }
}

function stored(place: SealedPlace): StoredBody {
  return place.kind === 'remote'
    ? new RemoteBody(place.relay, place.package, place.file, place.headBytes)
    : new LocalBody(place.source, place);
}

/** One download: some files of the package, one after another. */
class SaveJob {
  private bytesDone = 0;
  private filesDone = 0;
  private reported = 0;
  private stop = new AbortController();
  private paused: Promise<void> | null = null;
  private goOn: (() => void) | null = null;
  private cancelled = false;
  private zip: ZipWriter | null = null;

  constructor(private readonly order: SaveOrder) {}

  async run(): Promise<void> {
    const { archive, folders, files } = this.order;
    if (archive) this.zip = new ZipWriter(await openSink(archive));
    try {
      for (const { root, path } of folders) await (root ? createFolder(root, path) : this.folderInArchive(path));
      for (const file of files) await this.file(file);
      if (this.zip) this.report({ type: 'archive', outcome: await this.zip.end() }, true);
    } catch (error) {
      await this.zip?.abort();
      throw error;
    }
    this.report({ type: 'progress' }, true);
  }

  pause(): void {
    this.paused ??= new Promise((resolve) => (this.goOn = resolve));
    this.stop.abort(); // nothing is held open meanwhile
  }

  resume(): void {
    this.goOn?.();
    this.paused = this.goOn = null;
  }

  cancel(): void {
    this.cancelled = true;
    this.stop.abort();
    this.resume();
  }

  private async file(file: FileToSave): Promise<void> {
    const body = stored(file.place);
    const head = await this.untilConnected(() => body.head(this.stop.signal));
    const segments = file.sealed === null ? opener!.alone(head) : opener!.file(file.sealed, head);
    try {
      const whole = file.members.length === 1 && file.members[0]!.whole;
      await (whole ? this.intoOne(file, body, segments) : this.outOfPack(file, body, segments));
    } finally {
      segments.free();
    }
  }

  /** A file by itself: each segment is written as it is opened. */
  private async intoOne(file: FileToSave, body: StoredBody, segments: SegmentOpener): Promise<void> {
    const member = file.members[0]!;
    const sink = await this.sink(member);
    try {
      let held: Bytes | null = null;
      for await (const plain of this.segments(body, segments)) {
        if (plain.length === 0) continue; // padding: the bytes held back stay the file's last ones
        if (held) await sink.write(held);
        held = sink.streams ? plain : null;
        if (!held) await sink.write(plain);
        this.advance(plain.length);
      }
      if (held) await sink.write(held);
      await this.finish(member.entry, sink);
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }

  private sink({ target, bytes }: FileToSave['members'][number]): Promise<Sink> {
    if (target.kind !== 'zip') return openSink(target);
    const { path, modified } = target;
    return this.zip!.entry({ path, bytes, modified });
  }

  private async folderInArchive(path: string): Promise<void> {
    await (await this.zip!.entry({ path: `${path}/`, bytes: 0, modified: null })).finish();
  }

  /** Some members of a pack, which is at most 8 MiB: opened and verified first. */
  private async outOfPack(file: FileToSave, body: StoredBody, segments: SegmentOpener): Promise<void> {
    const pieces: Bytes[] = [];
    for await (const plain of this.segments(body, segments)) pieces.push(plain.slice());
    const content = new Blob(pieces);
    const left = file.members.values();
    const saveSome = async () => {
      for (const member of left) {
        await this.mayGoOn();
        await this.member(content, member);
      }
    };
    // Creating and closing a file is waiting for the most part. An archive takes one after another.
    await Promise.all(Array.from({ length: this.zip ? 1 : FILES_AT_ONCE }, saveSome));
  }

  private async member(content: Blob, member: FileToSave['members'][number]): Promise<void> {
    const { entry, offset, bytes } = member;
    const sink = await this.sink(member);
    try {
      const plain = new Uint8Array(await content.slice(offset, offset + bytes).arrayBuffer());
      if (plain.length !== bytes) throw new SealiftError('content_mismatch');
      if (plain.length) await sink.write(plain);
      this.advance(bytes);
      await this.finish(entry, sink);
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }

  /** Opens a body's segments in order. It ends only when the seal after the last one has verified. */
  private async *segments(body: StoredBody, segments: SegmentOpener): AsyncGenerator<Bytes> {
    const engine = await webcrypto;
    const count = segments.segmentCount;
    let reader: BodyReader | null = null;
    try {
      while (segments.next <= count) {
        const index = segments.next;
        const bytes = index < count ? segments.sealedBytes(index) : SEAL_BYTES;
        const sealed = await this.untilConnected(async () => {
          reader ??= await body.from(segments.sealedOffset(index), this.stop.signal);
          try {
            return await reader.read(bytes);
          } catch (error) {
            reader = null; // the next try opens a new one at this very place
            throw error;
          }
        });
        if (index === count) {
          this.report({ type: 'verifying' }, true);
          return segments.verifySeal(sealed);
        }
        yield (await segments.open(sealed, engine)) as Bytes;
        discarded(bytes);
      }
    } finally {
      (reader as BodyReader | null)?.close();
    }
  }

  /** Tries again while the connection is lost, and waits while paused. */
  private async untilConnected<T>(read: () => Promise<T>): Promise<T> {
    let wait = RETRY_MS_MIN;
    for (let lostMs = 0; ; ) {
      if (this.paused) lostMs = 0;
      await this.mayGoOn();
      const start = Date.now();
      try {
        return await read();
      } catch (thrown) {
        const error = SealiftError.from(thrown);
        if (this.paused || this.cancelled || this.stop.signal.aborted) continue;
        const lost = ['network_lost', 'draining', 'relay_busy'].includes(error.code);
        lostMs += Math.min(Date.now() - start, TRY_MS_MAX) + wait;
        if (!lost || lostMs > GIVE_UP_MS) throw error;
        this.report({ type: 'notice', code: error.code }, true);
        await new Promise((resolve) => setTimeout(resolve, wait));
        wait = Math.min(wait * 2, RETRY_MS_MAX);
      }
    }
  }

  private async mayGoOn(): Promise<void> {
    if (this.paused) await this.paused;
    if (this.cancelled) throw new SealiftError('cancelled');
    if (this.stop.signal.aborted) this.stop = new AbortController();
  }

  private async finish(entry: string, sink: Sink): Promise<void> {
    const outcome = await sink.finish();
    this.filesDone++;
    this.report({ type: 'file', entry, outcome }, true);
  }

  private advance(bytes: number): void {
    this.bytesDone += bytes;
    this.report({ type: 'progress' }, false);
  }

  private report(what: SaveReport['what'], now: boolean): void {
    if (!now && performance.now() - this.reported < REPORT_MS) return;
    this.reported = performance.now();
    const { bytesDone, filesDone } = this;
    self.postMessage({ job: this.order.job, bytesDone, filesDone, what } satisfies SaveReport);
  }
}
