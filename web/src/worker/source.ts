/**
 * Where a lane's worker gets the bytes of a file: segment by segment, into two buffers that are used in turn.
 *
 * A file is read by one BYOB stream reader (measured: three times the speed and a tenth of the garbage of
 * `slice().arrayBuffer()`), which goes on from part to part while the parts are consecutive.
 */
import { SealiftError } from '../sdk/error';

/** One stretch of a pack: a whole small file. */
export interface PackMember {
  file: File;
  offset: number;
}

/** What a sealed file is made of. */
export type SourceDescription =
  | { kind: 'file'; file: File }
  | { kind: 'pack'; members: PackMember[]; bytes: number };

/** Members of a pack that are read side by side. */
const FILES_AT_ONCE = 16;

/** Readers with a read under way. Chromium can lose a pending read whose reader nothing refers to. */
const held = new Set<unknown>();

export interface Source {
  /** Bytes from `offset`, zeros after the end. Valid until the second next call. */
  read(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Fails with `file_changed` when size or time of a file is seen not to be what it was when it was chosen. Chromium
   * compares them when a read begins, and a long stream began long ago: so a new read is begun. `false`: this browser
   * is not known to compare them, and only the content itself can tell.
   */
  checkUnchanged(): Promise<boolean>;
  /** Ends reading; the next `read` starts anew. */
  rest(): void;
}

export function openSource(description: SourceDescription): Source {
  return description.kind === 'file' ? new FileSource(description.file) : new PackSource(description.members, description.bytes);
}

/**
 * Whether reading a file that changed since it was chosen fails. Chromium on a computer does; Firefox reads the new
 * bytes without a word, of the size and time that the file had before. There is no safe way to try it on a person's own
 * file, so what only Chromium has stands for it, and whoever lacks it is not relied on.
 */
function comparesFiles(): boolean {
  const { userAgentData } = navigator as { userAgentData?: { brands: { brand: string }[]; mobile: boolean } };
  return userAgentData?.mobile === false && userAgentData.brands.some(({ brand }) => brand === 'Chromium');
}

class FileSource implements Source {
  private reader: ReadableStreamBYOBReader | null = null;
  private position = 0;
  /** Two buffers: one is being sealed while the next one fills. */
  private buffers: ArrayBuffer[] = [];

  constructor(private readonly file: File) {}

  async read(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    let buffer = this.buffers.length > 1 ? this.buffers.shift()! : new ArrayBuffer(bytes);
    if (buffer.byteLength < bytes) buffer = new ArrayBuffer(bytes);
    const wanted = Math.max(0, Math.min(bytes, this.file.size - offset));
    try {
      buffer = await this.fill(buffer, offset, wanted);
    } catch (error) {
      this.rest();
      throw readError(error);
    }
    this.buffers.push(buffer);
    const view = new Uint8Array(buffer, 0, bytes);
    view.fill(0, wanted);
    return view;
  }

  async checkUnchanged(): Promise<boolean> {
    await touch(this.file);
    return comparesFiles();
  }

  rest(): void {
    const reader = this.reader;
    this.reader = null;
    void reader?.cancel().catch(() => {});
  }

  private async fill(buffer: ArrayBuffer, offset: number, wanted: number): Promise<ArrayBuffer> {
    if (wanted === 0) return buffer;
    if (!this.reader || this.position !== offset) {
      this.rest();
      this.reader = this.file.slice(offset).stream().getReader({ mode: 'byob' });
      this.position = offset;
    }
    const reader = this.reader;
    held.add(reader);
    try {
      for (let filled = 0; filled < wanted; ) {
        const view = new Uint8Array(buffer, filled, wanted - filled);
        const { value, done } = await reader.read(view, { min: view.byteLength });
        if (value) buffer = value.buffer; // the one handed in is detached; this is the same memory
        if (done || !value || value.byteLength === 0) throw new SealiftError('file_changed');
        filled += value.byteLength;
      }
      this.position += wanted;
      return buffer;
    } finally {
      held.delete(reader);
    }
  }
}

/** A pack is read whole, before any of it is sealed: at most 8 MiB. */
class PackSource implements Source {
  private content: Promise<Uint8Array<ArrayBuffer>> | null = null;

  constructor(private readonly members: PackMember[], private readonly bytes: number) {}

  async read(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    this.content ??= this.readAll();
    const view = new Uint8Array(bytes);
    view.set((await this.content).subarray(offset, offset + bytes));
    return view;
  }

  async checkUnchanged(): Promise<boolean> {
    await this.each(({ file }) => touch(file));
    return comparesFiles();
  }

  rest(): void {
    this.content = null;
  }

  private async readAll(): Promise<Uint8Array<ArrayBuffer>> {
    const all = new Uint8Array(this.bytes);
    await this.each(async ({ file, offset }) => all.set(await wholeOf(file), offset));
    return all;
  }

  /** For each member, several at once: small files are waiting for the most part. */
  private async each(act: (member: PackMember) => Promise<void>): Promise<void> {
    const left = this.members.values();
    const some = async () => {
      for (const member of left) await act(member);
    };
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, some));
  }
}

async function wholeOf(file: File): Promise<Uint8Array> {
  const content = await file.arrayBuffer().catch((error: unknown) => Promise.reject(readError(error)));
  if (content.byteLength !== file.size) throw new SealiftError('file_changed');
  return new Uint8Array(content);
}

async function touch(file: File): Promise<void> {
  await file.slice(0, 1).arrayBuffer().catch((error: unknown) => Promise.reject(readError(error)));
}

/** Browsers refuse to read a file that changed since it was chosen, with `NotReadableError`. */
function readError(error: unknown): SealiftError {
  if (error instanceof SealiftError) return error;
  const changed = (error as DOMException)?.name === 'NotReadableError';
  return new SealiftError(changed ? 'file_changed' : 'file_unreadable', undefined, { cause: error });
}

declare global {
  interface ReadableStreamBYOBReader {
    /** `min`: wait until so many bytes are there. */
    read<T extends ArrayBufferView>(view: T, options: { min: number }): Promise<ReadableStreamReadResult<T>>;
  }
}
