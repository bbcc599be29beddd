/**
 * Several files as one: a zip archive, written front to back, stored without compression.
 *
 * For browsers that cannot pick a folder. Names and lengths are known in advance and sums are not, so each file is
 * followed by its sum, and the length of the whole archive is known before its first byte. Lengths above 4 GiB are in
 * the zip64 form (APPNOTE.TXT 6.3.10, sections 4.3 to 4.5). Start with `ZipWriter.entry`.
 */
import type { Outcome, Sink } from './sinks';

type Bytes = Uint8Array<ArrayBuffer>;

/** What is known of an entry before it is written. A folder has a path that ends with `/` and no bytes. */
export interface ZipEntry {
  path: string;
  bytes: number;
  modified: number | null;
}

const LIMIT_32 = 0xffff_ffff;
const LIMIT_16 = 0xffff;
/** The sum and the lengths stand behind the content; names are UTF-8. */
const FLAGS = 0x0808;
const VERSION = 20;
const VERSION_64 = 45;

const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END_64_BYTES = 56 + 20;
const EXTRA_64_BYTES = 20;
const EXTRA_64_CENTRAL_BYTES = 28;

/** Exact length of the archive of these entries. */
export function zipBytes(entries: ZipEntry[]): number {
  let offset = 0;
  let central = 0;
  for (const { path, bytes } of entries) {
    const name = new TextEncoder().encode(path).length;
    const large = bytes >= LIMIT_32;
    central += CENTRAL_BYTES + name + (large || offset >= LIMIT_32 ? EXTRA_64_CENTRAL_BYTES : 0);
    offset += LOCAL_BYTES + name + (large ? EXTRA_64_BYTES : 0) + bytes + (large ? 24 : 16);
  }
  return offset + central + (needs64(entries.length, offset, central) ? END_64_BYTES : 0) + END_BYTES;
}

function needs64(count: number, offset: number, central: number): boolean {
  return count >= LIMIT_16 || offset >= LIMIT_32 || central >= LIMIT_32;
}

interface Written extends ZipEntry {
  name: Bytes;
  offset: number;
  sum: number;
}

/** Writes an archive into a sink, one entry after another. */
export class ZipWriter {
  private readonly written: Written[] = [];
  private offset = 0;

  constructor(private readonly sink: Sink) {}

  /** Where the next file's content goes. It is to be finished before the next one is begun. */
  async entry(entry: ZipEntry): Promise<Sink> {
    const name = new TextEncoder().encode(entry.path);
    const written: Written = { ...entry, name, offset: this.offset, sum: 0 };
    const large = entry.bytes >= LIMIT_32;
    const header = new Fields(LOCAL_BYTES).u32(0x04034b50).u16(large ? VERSION_64 : VERSION).u16(FLAGS).u16(0);
    header.time(entry.modified).u32(0).u32(large ? LIMIT_32 : 0).u32(large ? LIMIT_32 : 0).u16(name.length).u16(large ? EXTRA_64_BYTES : 0);
    await this.put(header.bytes);
    await this.put(name);
    if (large) await this.put(new Fields(EXTRA_64_BYTES).u16(1).u16(16).u64(0).u64(0).bytes);
    return {
      streams: this.sink.streams,
      write: async (bytes) => {
        written.sum = crc32(written.sum, bytes);
        await this.put(bytes);
      },
      finish: async () => {
        const { sum, bytes } = written;
        const after = new Fields(large ? 24 : 16).u32(0x08074b50).u32(sum);
        await this.put((large ? after.u64(bytes).u64(bytes) : after.u32(bytes).u32(bytes)).bytes);
        this.written.push(written);
        return { kind: 'saved' };
      },
      abort: () => Promise.resolve(), // the whole archive is given up
    };
  }

  /** Writes the directory at the archive's end. */
  async end(): Promise<Outcome> {
    const start = this.offset;
    for (const entry of this.written) await this.directoryEntry(entry);
    const count = this.written.length;
    const central = this.offset - start;
    const wide = needs64(count, start, central);
    if (wide) {
      const end = this.offset;
      const record = new Fields(END_64_BYTES).u32(0x06064b50).u64(44).u16(VERSION_64).u16(VERSION_64).u32(0).u32(0);
      record.u64(count).u64(count).u64(central).u64(start).u32(0x07064b50).u32(0).u64(end).u32(1);
      await this.put(record.bytes);
    }
    const short = wide ? LIMIT_16 : count;
    const end = new Fields(END_BYTES).u32(0x06054b50).u16(0).u16(0).u16(short).u16(short);
    await this.put(end.u32(wide ? LIMIT_32 : central).u32(wide ? LIMIT_32 : start).u16(0).bytes);
    return this.sink.finish();
  }

  abort(): Promise<void> {
    return this.sink.abort();
  }

  private async directoryEntry({ name, bytes, offset, sum, modified }: Written): Promise<void> {
    const wide = bytes >= LIMIT_32 || offset >= LIMIT_32;
    const header = new Fields(CENTRAL_BYTES).u32(0x02014b50).u16(VERSION_64).u16(wide ? VERSION_64 : VERSION).u16(FLAGS).u16(0);
    header.time(modified).u32(sum).u32(wide ? LIMIT_32 : bytes).u32(wide ? LIMIT_32 : bytes).u16(name.length);
    header.u16(wide ? EXTRA_64_CENTRAL_BYTES : 0).u16(0).u16(0).u16(0).u32(0).u32(wide ? LIMIT_32 : offset);
    await this.put(header.bytes);
    await this.put(name);
    if (wide) await this.put(new Fields(EXTRA_64_CENTRAL_BYTES).u16(1).u16(24).u64(bytes).u64(bytes).u64(offset).bytes);
  }

  private async put(bytes: Bytes): Promise<void> {
    this.offset += bytes.length;
    if (bytes.length) await this.sink.write(bytes);
  }
}

/** Numbers one after another, lowest byte first. */
class Fields {
  readonly bytes: Bytes;
  private readonly view: DataView;
  private at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }

  u16(value: number): this {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
    return this;
  }

  u32(value: number): this {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
    return this;
  }

  u64(value: number): this {
    this.view.setBigUint64(this.at, BigInt(value), true);
    this.at += 8;
    return this;
  }

  /** MS-DOS time and date, which begin in 1980 and have steps of two seconds. */
  time(ms: number | null): this {
    const t = new Date(ms ?? 0);
    if (ms === null || t.getFullYear() < 1980 || t.getFullYear() > 2107) return this.u16(0).u16(0x21);
    this.u16((t.getHours() << 11) | (t.getMinutes() << 5) | (t.getSeconds() >> 1));
    return this.u16(((t.getFullYear() - 1980) << 9) | ((t.getMonth() + 1) << 5) | t.getDate());
  }
}

/** Four tables, so that four bytes are taken at a time. */
const TABLES = Array.from({ length: 4 }, () => new Uint32Array(256));
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  TABLES[0]![n] = c;
}
for (let n = 0; n < 256; n++) {
  for (let t = 1; t < 4; t++) TABLES[t]![n] = (TABLES[t - 1]![n]! >>> 8) ^ TABLES[0]![TABLES[t - 1]![n]! & 255]!;
}

/** CRC-32 (ISO 3309) of what `sum` covers, followed by `bytes`. */
export function crc32(sum: number, bytes: Uint8Array): number {
  const [t0, t1, t2, t3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let c = ~sum;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c = t3[c & 255]! ^ t2[(c >>> 8) & 255]! ^ t1[(c >>> 16) & 255]! ^ t0[c >>> 24]!;
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]!) & 255]!;
  return ~c >>> 0;
}
