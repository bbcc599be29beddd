// Files to send, made from a seed, and what they should be on the other side.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** A stream of bytes that does not compress and is the same for the same seed. */
class Noise {
  #state;
  constructor(seed) {
    this.#state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  }
  bytes(count) {
    const words = new BigUint64Array(Math.ceil(count / 8));
    let state = BigInt.asUintN(64, this.#state);
    for (let at = 0; at < words.length; at += 1) {
      state ^= BigInt.asUintN(64, state << 13n);
      state ^= state >> 7n;
      state ^= BigInt.asUintN(64, state << 17n);
      words[at] = state;
    }
    this.#state = state;
    return Buffer.from(words.buffer, 0, count);
  }
}

export class Folder {
  static async make() {
    const folder = new Folder();
    folder.path = await mkdtemp(join(tmpdir(), 'sealift-files-'));
    return folder;
  }

  /** Writes a file of that many bytes of noise (or that text) and returns its path. */
  async file(name, content, seed = 1) {
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === 'number' ? new Noise(seed).bytes(content) : content);
    return path;
  }

  /** A large file: one block of noise again and again, each time with its number in front. */
  async large(name, mebibytes) {
    const path = join(this.path, name);
    const block = new Noise(7).bytes(1 << 20);
    const file = await open(path, 'w');
    for (let number = 0; number < mebibytes; number += 1) {
      block.writeUInt32BE(number);
      await file.write(block);
    }
    await file.close();
    return path;
  }

  async folder(name) {
    const path = join(this.path, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  remove() {
    return rm(this.path, { recursive: true, force: true });
  }
}

export async function sha256(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest('hex');
}

/** Path to SHA-256 of every file below a folder; a folder without anything in it is `path/` to ''. */
export async function tree(root) {
  const found = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = relative(root, path);
    if (entry.isFile()) found[name] = await sha256(path);
    else if ((await readdir(path)).length === 0) found[`${name}/`] = '';
  }
  return found;
}

/** Path to SHA-256 of a stored archive; a folder has none. */
export function entries(zip) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const found = {};
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [bytes, name, extra, local] = [zip.readUInt32LE(at + 24), zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt32LE(at + 42)];
    const path = zip.toString('utf8', at + 46, at + 46 + name);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    found[path] = path.endsWith('/') ? '' : createHash('sha256').update(zip.subarray(start, start + bytes)).digest('hex');
    at += 46 + name + extra;
  }
  return found;
}
