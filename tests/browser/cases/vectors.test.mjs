// Every `.sealift` vector gets its verdict from the WebAssembly build in a real Chromium and a real Firefox, with each
// engine.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';
import { Firefox } from '../harness/firefox.mjs';

/** Built by `cargo xtask test browser` with a key derivation that costs next to nothing. */
const WASM = process.env.SEALIFT_VECTORS_WASM;
const VECTORS = resolve(import.meta.dirname, '../../vectors');
const TYPES = { js: 'text/javascript', mjs: 'text/javascript', wasm: 'application/wasm', json: 'application/json' };
const BROWSERS = { Chromium: Browser, Firefox };

let server;
let vectors;

before(async () => {
  assert.ok(WASM, 'SEALIFT_VECTORS_WASM is not set; run these tests by `cargo xtask test browser`');
  server = createServer(async ({ url }, response) => {
    response.setHeader('content-type', TYPES[url.split('.').pop()] ?? 'text/html');
    if (url.startsWith('/wasm/')) response.end(await readFile(join(WASM, url.slice(6))));
    else if (url === '/vectors.json') response.end(JSON.stringify(vectors.map(({ data, ...rest }) => ({ ...rest, data: data.toString('base64') }))));
    else if (url === '/worker.mjs') response.end(await readFile(join(import.meta.dirname, '../harness/vectors-worker.mjs')));
    else response.end('<!doctype html><title>vectors</title>');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  vectors = await readVectors();
});
after(() => server?.close());

for (const [name, kind] of Object.entries(BROWSERS)) {
  for (const engine of ['webcrypto', 'wasm']) {
    test(`vectors, opened in ${name} with ${engine}`, async () => {
      const browser = await kind.start();
      const page = await (await browser.profile()).newPage();
      await page.goto(`http://localhost:${server.address().port}/`);
      const { chosen, verdicts } = await page.evaluate(judge, engine);
      await browser.close();
      assert.equal(chosen, engine);
      assert.ok(vectors.length >= 100);
      for (const { name, expect } of vectors) assert.deepEqual(verdicts[name], expect, name);
    });
  }
}

/** Runs in the page. */
async function judge(engine) {
  const asked = await (await fetch('/vectors.json')).json();
  const vectors = asked.map(({ data, ...rest }) => ({ ...rest, bytes: Uint8Array.from(atob(data), (c) => c.charCodeAt(0)) }));
  const worker = new Worker('/worker.mjs', { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ engine, vectors });
  });
}

async function readVectors() {
  const names = (await readdir(VECTORS)).filter((name) => name.endsWith('.vector'));
  const all = new Map();
  for (const name of names) all.set(name.slice(0, -7), parse(await readFile(join(VECTORS, name))));
  const found = [];
  for (const [name, { given, expect, bytes }] of all) {
    if (given.kind) continue; // texts have no engine; the Rust tests judge them as WebAssembly too
    if (given.seen) continue; // the pages themselves remember generations
    if (expect[0] === 'expect: kdf_too_weak') continue; // this build has no floor; the shipped one has no other
    found.push({ name, given, expect: inBrowser(name, expect), data: given.pieces ? joined(given.pieces, all) : bytes });
  }
  return found;
}

/** A file of open length is for pipes; the pages refuse it by its head, with its own sentence. */
function inBrowser(name, expect) {
  const byItsHead = /: (damaged_head|content_mismatch)$/.test(expect[0]);
  return name.startsWith('open_length') && !byItsHead ? ['expect: open_length_refused'] : expect;
}

/** Header lines, then an empty line, then bytes. */
function parse(file) {
  const end = file.indexOf('\n\n');
  const given = {};
  const expect = [];
  for (const line of file.subarray(0, end).toString('utf8').split('\n')) {
    const [key, value] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(': ') + 2)];
    if (['expect', 'at', 'title', 'note', 'folder', 'file', 'missing', 'opened'].includes(key)) expect.push(line);
    else given[key] = value;
  }
  return { given, expect, bytes: file.subarray(end + 2) };
}

function joined(pieces, all) {
  return Buffer.concat(pieces.split(' ').map((piece) => {
    if (piece.startsWith('hex:')) return Buffer.from(piece.slice(4), 'hex');
    const [, name, start, end] = /^(.+)\[(\d+):(\d+)\]$/.exec(piece);
    return all.get(name).bytes.subarray(Number(start), Number(end));
  }));
}
