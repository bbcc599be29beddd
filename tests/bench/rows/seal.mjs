// Sealing alone, without sending: in one worker against what others use, key derivation, reading and sealing with two
// workers, and what the WebAssembly weighs.
import { execFileSync } from 'node:child_process';
import { copyFile, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { Chromium } from '../cdp.mjs';
import { MIB, noise, program, rate, server } from '../measure.mjs';
import { keysOfAnUpload } from '../portal.mjs';

const FILE_MIB = Number(process.env.SEALIFT_BENCH_PIPELINE_MIB ?? 1024);
/** Ways of sealing are compared in so many rounds; each is measured once in each. */
const ROUNDS = Number(process.env.SEALIFT_BENCH_ROUNDS ?? 7);
/** A worker that says nothing for so long has lost its answer; nothing here takes a tenth of it. */
const ANSWER_MS = 120_000;
const here = dirname(new URL('.', import.meta.url).pathname);
const web = join(here, '../../web');
const modules = process.env.SEALIFT_BENCH_WASM;

const PEERS = [
  ['ece', 'encrypted content encoding, AES-128-GCM in records of 64 KiB, streamed as Firefox Send does', 2.2],
  ['records', 'the cipher of the same records alone', null],
  ['secretstream', 'libsodium secretstream, 512 KiB a call', 3.5],
  ['age', 'age-encryption, 16 MiB, to a key', 10],
  ['noble', '@noble/ciphers AES-256-GCM', 25],
];

export async function seal(table, { folder, binaries }) {
  const file = await noise(folder, 'sealed.bin', Math.max(FILE_MIB, 256));
  const data = join(folder, 'data');
  const relay = await server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--open-uploads', '--data', data]);
  const exported = await keysOfAnUpload(relay, await noise(folder, 'keys.bin', 256));
  await relay.stop();
  const bare = await server(join(binaries, 'bare-server'), [file]);
  const chromium = await Chromium.start();
  try {
    const tab = await chromium.open(bare.url);
    await prepare(tab, exported, await bundled(folder));
    await oneWorker(table, tab);
    await derivation(table, tab, binaries);
    await pipeline(table, tab, file);
  } finally {
    await chromium.close();
    await bare.stop();
    await Promise.all([file, data, join(folder, 'keys.bin')].map((path) => rm(path, { recursive: true, force: true })));
  }
  await weights(table);
}

/** The worker's script as one file. The bindings of the plain module have to be found beside it while bundling. */
async function bundled(folder) {
  const bindings = join(here, 'plain-gcm.mjs');
  const script = join(folder, 'worker.js');
  await copyFile(join(modules, 'gcm/sealift_bench_wasm.js'), bindings);
  try {
    execFileSync(join(web, 'node_modules/.bin/rolldown'), [join(here, 'sealing-worker.mjs'), '--format', 'iife', '--file', script], { stdio: 'ignore' });
  } finally {
    await rm(bindings);
  }
  return readFile(script, 'utf8');
}

/** Puts the script and what it needs into the page, and a function that asks a fresh worker. */
async function prepare(tab, exported, script) {
  const base64 = async (path) => (await readFile(path)).toString('base64');
  const given = {
    exported,
    module: await base64(join(web, 'src/wasm/sealift_client_wasm_bg.wasm')),
    plain: await base64(join(modules, 'gcm/sealift_bench_wasm_bg.wasm')),
  };
  await tab.run(`
    globalThis.given = ${JSON.stringify(given)};
    globalThis.url = URL.createObjectURL(new Blob([${JSON.stringify(script)}], { type: 'text/javascript' }));
    globalThis.ask = (message) => new Promise((resolve, reject) => {
      const worker = new Worker(url);
      const late = setTimeout(() => end(reject, new Error('no answer from a worker about ' + (message.name ?? message.what))), ${ANSWER_MS});
      const end = (settle, value) => { clearTimeout(late); worker.terminate(); settle(value); };
      worker.onmessage = ({ data }) => data?.error ? end(reject, new Error(data.error)) : end(resolve, data);
      worker.onerror = ({ message }) => end(reject, new Error(message));
      worker.postMessage({ ...message, given });
    }); undefined`);
}

const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Ways are measured in turn, so that a busy moment does not hit one of them alone. */
async function oneWorker(table, tab) {
  table.section('Sealing in one worker', `Plaintext bytes in segments of 512 KiB unless said, one after another, from memory, each for 0.8 s in every one of ${ROUNDS} rounds.

Tried, and left out: 1 MiB a call (2.3 times slower: Chromium maps every buffer above 960 KiB anew), several calls in flight (no
difference: Chromium encrypts on the calling thread), bytes by way of the module's memory (a tenth slower), SIMD for AES in
WebAssembly (no difference: the crate has no vector code there).`);
  const names = ['raw', 'webcrypto', 'wasm', 'plain', ...PEERS.map(([name]) => name)];
  const rates = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) rates[name].push(await tab.run(`ask({ what: 'rate', name: '${name}' })`));
  }
  const raw = table.row('crypto.subtle.encrypt', middle(rates.raw), 'MB/s', 'bare');
  const ours = table.row('sealing with the WebCrypto engine', middle(rates.webcrypto), 'MB/s');
  table.compare(ours, raw, 0.9);
  for (const [name, called, target] of PEERS) table.compare(ours, table.row(called, middle(rates[name]), 'MB/s'), target);
  const engine = table.row('sealing with the WebAssembly engine', middle(rates.wasm), 'MB/s', 'where there is no WebCrypto');
  table.compare(engine, table.row('the aes-gcm crate in WebAssembly', middle(rates.plain), 'MB/s', 'alone'), 0.9);
}

async function derivation(table, tab, binaries) {
  table.section('From password to key', 'Argon2id, 64 MiB, three passes, one lane: the fastest of some runs.');
  const derive = (name) => tab.run(`ask({ what: 'derive', name: '${name}' })`);
  const ours = table.row('in WebAssembly', await derive('sealift'), 'ms');
  const native = Number((await program(join(binaries, 'kdf'), [])).output);
  table.compare(ours, table.row('natively', native, 'ms'), 1.6, { atMost: true });
  table.compare(ours, table.row('hash-wasm', await derive('hash-wasm'), 'ms'), 0.9, { atMost: true });
}

async function pipeline(table, tab, file) {
  table.section('Reading and sealing, two workers', `A file of ${FILE_MIB} MiB, read and sealed as lanes do it, nothing sent. Both ways in turn, ${ROUNDS} rounds.

Tried, and left out: \`slice().arrayBuffer()\` for each segment (a third of the speed of one byte stream, ten times the garbage).`);
  await tab.run(`document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'file' })); undefined`);
  await tab.choose('#file', [file]);
  const bytes = FILE_MIB * MIB;
  const [read, bare] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const spans = await tab.run(`{
      const file = document.querySelector('#file').files[0];
      const half = ${bytes / 2};
      Promise.all([0, 1].map((lane) => ask({ what: 'pipeline', stretch: { file, start: lane * half, end: (lane + 1) * half } })));
    }`);
    read.push(rate(bytes, (Math.max(...spans.map(({ end }) => end)) - Math.min(...spans.map(({ begin }) => begin))) / 1000));
    bare.push((await tab.run(`Promise.all([0, 1].map(() => ask({ what: 'rate', name: 'raw', milliseconds: 1500 })))`)).reduce((a, b) => a + b));
  }
  const ours = table.row('read and sealed', middle(read), 'MB/s');
  table.compare(ours, table.row('crypto.subtle.encrypt in two workers', middle(bare), 'MB/s', 'bare, from memory'), 0.6);
}

async function weights(table) {
  table.section('What the WebAssembly weighs', `Compressed with brotli, as it is served. *The envelope alone* is its crate with bytes in and bytes out, manifests and metadata included;
what pages load has the session as well.

Tried: \`opt-level\` s for all but the ciphers (0.8 kB more than z), no overflow checks (0.7 kB less; they stay), a small
BLAKE2 (no difference). Of what is left, allocator and standard library are 5 kB, ciphers and hashes 8, the rest the format itself.`);
  const kilobytes = async (path) => {
    const bytes = await readFile(path);
    return brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length / 1000;
  };
  for (const [name, path, most] of [
    ['the envelope alone', join(modules, 'envelope/sealift_bench_wasm_bg.wasm'), 32],
    ['the envelope alone, with public keys', join(modules, 'recipients/sealift_bench_wasm_bg.wasm'), 56],
    ['what every page loads: envelope and session', join(web, 'src/wasm/sealift_client_wasm_bg.wasm'), null],
    ['what recipients and identities add', join(web, 'src/wasm/sealift_recipients_bg.wasm'), null],
  ]) {
    const size = await kilobytes(path);
    table.row(name, size, 'kB', most === null ? '' : `at most ${most}: ${size <= most ? 'kept' : '**missed**'}`);
  }
}
