// One worker that seals, in every way that is compared: ours with each engine, WebCrypto bare, and what others use.
// Told what to do by a message, it answers with plaintext megabytes per second, or milliseconds for a key derivation.
import { gcm } from '@noble/ciphers/aes.js';
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { argon2id } from 'hash-wasm';
import sodium from 'libsodium-wrappers';
import { initSync, LaneSealer, makePasswordKeyring } from '../../web/src/wasm/sealift_client_wasm.js';
import { discarded } from '../../web/src/worker/garbage';
import { openSource } from '../../web/src/worker/source';
import { initSync as initPlain, PlainGcm } from './plain-gcm.mjs';

const SEGMENT_BYTES = 524_256;
const RECORD_BYTES = 65_536;
const PASSWORD = 'correct horse battery staple';
const unpacked = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const noise = (bytes) => new Uint8Array(bytes).map((_, at) => at * 7);
const aesKey = (length) => crypto.subtle.generateKey({ name: 'AES-GCM', length }, false, ['encrypt']);

/** Each makes a function that seals once; `bytes` is how much that is. */
const WAYS = {
  async raw() {
    const [key, plaintext, additionalData] = [await aesKey(256), noise(SEGMENT_BYTES), new Uint8Array(9)];
    return { bytes: SEGMENT_BYTES, seal: () => crypto.subtle.encrypt({ name: 'AES-GCM', iv: random(12), additionalData }, key, plaintext) };
  },
  webcrypto: (given) => ours(given, true),
  wasm: (given) => ours(given, false),
  /** As `aes-gcm` is used without us: the IV from JavaScript, buffers copied in and out. */
  plain({ plain }) {
    initPlain({ module: unpacked(plain) });
    const [key, plaintext, data] = [new PlainGcm(random(32)), noise(SEGMENT_BYTES), new Uint8Array(9)];
    return { bytes: SEGMENT_BYTES, seal: () => key.seal(random(12), data, plaintext) };
  },
  /** The cipher of encrypted content encoding (RFC 8188) and nothing around it: AES-128-GCM in records of 64 KiB. */
  async records() {
    const [key, record, next] = [await aesKey(128), noise(RECORD_BYTES - 16), nonces()];
    return { bytes: record.length - 1, seal: () => crypto.subtle.encrypt({ name: 'AES-GCM', iv: next() }, key, record) };
  },
  /** The same as Firefox Send does it: a stream is cut into records, and each is padded, sealed and handed on. */
  async ece() {
    const [key, piece, count] = [await aesKey(128), noise(RECORD_BYTES), 256];
    const seal = async () => {
      let left = count;
      const source = new ReadableStream({ pull: (out) => (left-- > 0 ? out.enqueue(piece) : out.close()) });
      const sealed = source.pipeThrough(new TransformStream(cutIntoRecords())).pipeThrough(new TransformStream(sealRecords(key)));
      for await (const _ of sealed); // each is dropped, like every result here
    };
    return { bytes: count * RECORD_BYTES, seal };
  },
  async secretstream() {
    await sodium.ready;
    const { state } = sodium.crypto_secretstream_xchacha20poly1305_init_push(sodium.crypto_secretstream_xchacha20poly1305_keygen());
    const plaintext = noise(SEGMENT_BYTES);
    return { bytes: SEGMENT_BYTES, seal: () => sodium.crypto_secretstream_xchacha20poly1305_push(state, plaintext, null, 0) };
  },
  noble() {
    const [key, plaintext] = [random(32), noise(SEGMENT_BYTES)];
    return { bytes: SEGMENT_BYTES, seal: () => gcm(key, random(12)).encrypt(plaintext) };
  },
  /** To a key, so without a password to derive. */
  async age() {
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(await generateX25519Identity()));
    const plaintext = noise(16 << 20);
    return { bytes: plaintext.length, seal: () => encrypter.encrypt(plaintext) };
  },
};

/** IVs of records: a random one, with the number of the record in its end. */
function nonces() {
  const base = random(12);
  const end = new DataView(base.buffer).getUint32(8);
  let sequence = 0;
  return () => {
    const iv = base.slice();
    new DataView(iv.buffer).setUint32(8, (end ^ sequence++) >>> 0);
    return iv;
  };
}

/** Cuts a stream into what one record holds, as Firefox Send does: every record is a copy. */
function cutIntoRecords() {
  const size = RECORD_BYTES - 17;
  let partial = new Uint8Array(size);
  let filled = 0;
  return {
    transform(piece, out) {
      for (let at = 0; at < piece.length; ) {
        const taken = piece.slice(at, at + size - filled);
        partial.set(taken, filled);
        filled += taken.length;
        at += taken.length;
        if (filled < size) break;
        out.enqueue(partial);
        [partial, filled] = [new Uint8Array(size), 0];
      }
    },
    flush: (out) => (filled > 0 ? out.enqueue(partial.slice(0, filled)) : undefined),
  };
}

/** Pads and seals each record, as Firefox Send does: one behind, for the last one ends differently. */
function sealRecords(key) {
  const next = nonces();
  let before = null;
  const seal = async (out, delimiter) => {
    const record = new Uint8Array(before.length + 1);
    record.set(before);
    record[before.length] = delimiter;
    out.enqueue(new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: next() }, key, record)));
  };
  return {
    async transform(record, out) {
      if (before) await seal(out, 1);
      before = record;
    },
    flush: (out) => seal(out, 2),
  };
}

function ours({ module, exported }, webcrypto) {
  initSync({ module: unpacked(module) });
  const sealer = new LaneSealer(unpacked(exported));
  const plaintext = noise(sealer.plainBytes(0));
  let index = 0;
  return { bytes: plaintext.length, seal: () => sealer.seal(index++ % 400, plaintext, webcrypto) };
}

async function rate(way, given, milliseconds) {
  const { bytes, seal } = await WAYS[way](given);
  const run = async (milliseconds) => {
    const start = performance.now();
    let count = 0;
    for (; count === 0 || performance.now() - start < milliseconds; count += 1) await seal();
    return (count * bytes) / (performance.now() - start) / 1000;
  };
  await run(milliseconds / 4);
  return run(milliseconds);
}

/** Argon2id of a password: 64 MiB, three passes, one lane. Milliseconds of the fastest of three. */
async function derivation(which, { module }) {
  initSync({ module: unpacked(module) });
  const derive = {
    sealift: () => makePasswordKeyring(PASSWORD),
    'hash-wasm': () => argon2id({ password: PASSWORD, salt: random(16), parallelism: 1, iterations: 3, memorySize: 65_536, hashLength: 32, outputType: 'binary' }),
  }[which];
  let best = Infinity;
  for (let run = 0; run < 4; run += 1) {
    const start = performance.now();
    await derive();
    if (run > 0) best = Math.min(best, performance.now() - start);
  }
  return best;
}

/** Reads a stretch of a file as a lane does, one segment ahead, seals every segment and drops it. */
async function pipeline({ file, start, end }, { module, exported }) {
  initSync({ module: unpacked(module) });
  const sealer = new LaneSealer(unpacked(exported));
  const bytes = sealer.plainBytes(0);
  const source = openSource({ kind: 'file', file: file.slice(start, end) });
  await sealer.seal(0, new Uint8Array(bytes), true); // the key is imported before the clock starts
  const count = Math.ceil((end - start) / bytes);
  const read = (index) => (index < count ? source.read(index * bytes, bytes) : null);
  const begin = performance.now();
  let reading = read(0);
  for (let index = 0; reading; index += 1) {
    const plaintext = await reading;
    reading = read(index + 1);
    const [, sealed] = await sealer.seal(index % 400, plaintext, true);
    discarded(sealed.length);
  }
  return { begin: performance.timeOrigin + begin, end: performance.timeOrigin + performance.now() };
}

onmessage = async ({ data: { what, name, given, stretch, milliseconds = 800 } }) => {
  try {
    if (what === 'rate') postMessage(await rate(name, given, milliseconds));
    else if (what === 'derive') postMessage(await derivation(name, given));
    else postMessage(await pipeline(stretch, given));
  } catch (error) {
    postMessage({ error: String(error?.stack ?? error) });
  }
};
