// Sealing alone, in one worker, without reading or sending.
import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Chromium } from '../cdp.mjs';
import { noise, REPEATS, server } from '../measure.mjs';
import { keysOfAnUpload } from '../portal.mjs';

const SEGMENTS = 400;
const web = new URL('../../../web/', import.meta.url).pathname;

export async function seal(table, { folder, binaries }) {
  table.section('Sealing in one worker', `${SEGMENTS} segments of 512 KiB, one after another.`);
  const file = await noise(folder, 'keys.bin', 256);
  const data = join(folder, 'data');
  const relay = await server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--open-uploads', '--data', data]);
  const exported = await keysOfAnUpload(relay, file);
  await relay.stop();

  const script = join(folder, 'worker.js');
  execFileSync(join(web, 'node_modules/.bin/rolldown'), [new URL('../sealing-worker.mjs', import.meta.url).pathname, '--format', 'iife', '--file', script], { stdio: 'ignore' });
  const module = (await readFile(join(web, 'src/wasm/sealift_client_wasm_bg.wasm'))).toString('base64');
  const message = JSON.stringify({ module, exported, segments: SEGMENTS });
  const bare = await server(join(binaries, 'bare-server'), [file]);
  const runs = [];
  for (let run = 0; run < REPEATS; run += 1) {
    const chromium = await Chromium.start();
    const tab = await chromium.open(bare.url);
    runs.push(
      await tab.run(`new Promise((resolve, reject) => {
        const worker = new Worker(URL.createObjectURL(new Blob([${JSON.stringify(await readFile(script, 'utf8'))}], { type: 'text/javascript' })));
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage(${message});
      })`),
    );
    await chromium.close();
  }
  await bare.stop();
  const middle = (kind) => runs.map((run) => run[kind]).sort((a, b) => a - b)[Math.floor(runs.length / 2)];
  const raw = table.row('crypto.subtle.encrypt', middle('raw'), 'MB/s', 'bare');
  const webcrypto = table.row('sealing with the WebCrypto engine', middle('webcrypto'), 'MB/s');
  table.compare(webcrypto, raw, 0.85);
  table.compare(table.row('sealing with the WebAssembly engine', middle('wasm'), 'MB/s', 'where there is no WebCrypto'), raw);
  await Promise.all([file, data, script].map((path) => rm(path, { recursive: true, force: true })));
}
