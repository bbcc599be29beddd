/**
 * Where sealed bytes come from when a package is opened: the relay, or files on this computer.
 *
 * A body is read in order and may be taken up again anywhere, after a pause or a lost connection.
 */
import { ask, fileUrl } from '../sdk/relay';
import { SealiftError } from '../sdk/error';

type Bytes = Uint8Array<ArrayBuffer>;

const HEAD_BYTES_MAX = 64 << 10;
/** A relay, or a network, that says nothing for so long is lost. */
const SILENCE_MS_MAX = 30_000;
/** What must come within that time: 2 KiB/s, as relays ask of readers. */
const PIECE_BYTES = 64 << 10;

/** One sealed file that can be read. */
export interface StoredBody {
  head(signal: AbortSignal): Promise<Bytes>;
  /** A reader that starts `offset` bytes into the body. */
  from(offset: number, signal: AbortSignal): Promise<BodyReader>;
}

export interface BodyReader {
  /**
   * Exactly so many bytes, in a buffer that is used again at the next call.
   *
   * @throws SealiftError `network_lost` or, at the end of a local file, `cut_short`.
   */
  read(bytes: number): Promise<Bytes>;
  close(): void;
}

/** A sealed file on a relay. */
export class RemoteBody implements StoredBody {
  private etag: string | null = null;
  private readonly url: string;

  constructor(relay: string, packageId: string, fileId: string, private readonly headBytes: number) {
    this.url = fileUrl(relay, packageId, fileId);
  }

  async head(signal: AbortSignal): Promise<Bytes> {
    if (!(this.headBytes > 0 && this.headBytes <= HEAD_BYTES_MAX)) throw new SealiftError('malformed');
    const response = await this.ask({ range: `bytes=0-${this.headBytes - 1}` }, signal);
    this.etag = response.headers.get('etag');
    const reader = new StreamReader(response.body!, 'network_lost');
    const head = (await reader.read(this.headBytes)).slice();
    reader.close(); // a relay that ignores the range would send the whole file
    return head;
  }

  async from(offset: number, signal: AbortSignal): Promise<BodyReader> {
    const start = this.headBytes + offset;
    const headers: Record<string, string> = { range: `bytes=${start}-` };
    if (this.etag) headers['if-range'] = this.etag; // never join two versions (rule S8)
    const response = await this.ask(headers, signal);
    const reader = new StreamReader(response.body!, 'network_lost');
    if (response.status === 200) await reader.skip(start);
    return reader;
  }

  private async ask(headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
    try {
      return await ask(this.url, { headers, signal: AbortSignal.any([signal, silence.signal]) });
    } catch (error) {
      throw silence.signal.aborted && !signal.aborted ? new SealiftError('network_lost', undefined, { cause: error }) : error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A sealed file that lies in a file on this computer. */
export class LocalBody implements StoredBody {
  constructor(private readonly file: File, private readonly at: { head: [number, number]; body: [number, number] }) {}

  async head(): Promise<Bytes> {
    return new Uint8Array(await this.file.slice(...this.at.head).arrayBuffer());
  }

  async from(offset: number): Promise<BodyReader> {
    const [start, end] = this.at.body;
    return new StreamReader(this.file.slice(start + offset, end).stream(), 'cut_short');
  }
}

/** Readers with a read under way; nothing else may refer to them, and Chromium then loses the read. */
const held = new Set<unknown>();

/** Exact reads from a stream, into one buffer. */
class StreamReader implements BodyReader {
  private readonly byob: ReadableStreamBYOBReader | null;
  private readonly plain: ReadableStreamDefaultReader<Uint8Array> | null;
  private rest: Uint8Array = new Uint8Array(0);
  private buffer = new ArrayBuffer(0);

  /** `atEnd` is what a stream that ends too early, or breaks, means. */
  constructor(stream: ReadableStream<Uint8Array>, private readonly atEnd: 'network_lost' | 'cut_short') {
    let byob: ReadableStreamBYOBReader | null = null;
    try {
      byob = stream.getReader({ mode: 'byob' });
    } catch {
      // Not a stream of bytes in this browser: read its chunks as they come.
    }
    this.byob = byob;
    this.plain = byob ? null : stream.getReader();
    held.add(this);
  }

  async read(bytes: number): Promise<Bytes> {
    if (this.buffer.byteLength < bytes) this.buffer = new ArrayBuffer(bytes);
    try {
      await (this.byob ? this.fillByob(this.byob, bytes) : this.fillPlain(this.plain!, bytes));
    } catch (cause) {
      this.close();
      throw SealiftError.from(cause, this.atEnd);
    }
    return new Uint8Array(this.buffer, 0, bytes);
  }

  async skip(bytes: number): Promise<void> {
    const step = 1 << 18;
    for (let left = bytes; left > 0; left -= step) await this.read(Math.min(step, left));
  }

  close(): void {
    held.delete(this);
    void (this.byob ?? this.plain)!.cancel().catch(() => {});
  }

  /** A read over the network that takes too long ends as if the stream had. */
  private async inTime<T>(read: Promise<T>): Promise<T> {
    if (this.atEnd !== 'network_lost') return read;
    const timer = setTimeout(() => this.close(), SILENCE_MS_MAX);
    try {
      return await read;
    } finally {
      clearTimeout(timer);
    }
  }

  private async fillByob(reader: ReadableStreamBYOBReader, bytes: number): Promise<void> {
    for (let filled = 0; filled < bytes; ) {
      const view = new Uint8Array(this.buffer, filled, bytes - filled);
      const min = this.atEnd === 'network_lost' ? Math.min(PIECE_BYTES, view.byteLength) : view.byteLength;
      const { value, done } = await this.inTime(reader.read(view, { min }));
      if (value) this.buffer = value.buffer as ArrayBuffer; // the view handed in is detached; this is the same memory
      if (done || !value || value.byteLength === 0) throw new SealiftError(this.atEnd);
      filled += value.byteLength;
    }
  }

  private async fillPlain(reader: ReadableStreamDefaultReader<Uint8Array>, bytes: number): Promise<void> {
    const target = new Uint8Array(this.buffer);
    for (let filled = 0; filled < bytes; ) {
      if (this.rest.length === 0) {
        const { value, done } = await this.inTime(reader.read());
        if (done) throw new SealiftError(this.atEnd);
        this.rest = value;
      }
      const piece = this.rest.subarray(0, bytes - filled);
      target.set(piece, filled);
      this.rest = this.rest.subarray(piece.length);
      filled += piece.length;
    }
  }
}
