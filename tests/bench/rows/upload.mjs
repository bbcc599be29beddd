// Sealed uploads from Chromium through the relay, against the same bytes unsealed in the same
// shape, a plain PUT to a bare axum handler, and tus.
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Server } from '@tus/server';
import { FileStore } from '@tus/file-store';
import { Chromium } from '../cdp.mjs';
import { MIB, median, noise, rate, server, UPLOAD_MIB } from '../measure.mjs';
import { timedSend } from '../portal.mjs';

const SHAPES = [
  ['webtransport', 1], ['webtransport', 2],
  ['websocket', 1], ['websocket', 2], ['websocket', 4],
];

export async function upload(table, { folder, binaries }) {
  table.section(
    'Uploads from Chromium',
    `One file of ${UPLOAD_MIB} MiB, from the first byte to *Sent*: stored, synced and committed. *Unsealed* is the same page, the same workers, lanes and relay, with an encryption that only copies. PUT *dropped* stores nothing, PUT *into a file* and tus store without syncing, PUT *into a file, synced* answers when the disk has it, as the relay does.`,
  );
  const bytes = UPLOAD_MIB * MIB;
  const file = await noise(folder, 'upload.bin', UPLOAD_MIB);
  const put = table.row('fetch PUT, dropped', await putRate(binaries, folder, file, bytes, 'drop'), 'MB/s', 'bare axum handler');
  table.row('fetch PUT, into a file', await putRate(binaries, folder, file, bytes, 'file'), 'MB/s', 'bare axum handler');
  const synced = table.row('fetch PUT, into a file, synced', await putRate(binaries, folder, file, bytes, 'synced'), 'MB/s', 'bare axum handler');
  const tus = table.row('tus-js-client to @tus/server', await tusRate(folder, file, bytes), 'MB/s', 'one PATCH');
  let best = null;
  for (const [transport, lanes] of SHAPES) {
    const shape = `${transport}, ${lanes} ${lanes === 1 ? 'lane' : 'lanes'}`;
    const measure = (unsealed) => median(async () => rate(bytes, await sendSeconds({ binaries, folder, file, transport, lanes, unsealed })));
    const plain = table.row(`unsealed, ${shape}`, await measure(true), 'MB/s');
    const sealed = table.row(`sealed, ${shape}`, await measure(false), 'MB/s');
    table.compare(sealed, plain, 0.75);
    if (!best || sealed.value > best.value) best = sealed;
  }
  const own = table.row('sealed, as the page chooses', await median(async () => rate(bytes, await sendSeconds({ binaries, folder, file }))), 'MB/s');
  if (own.value > best.value) best = own;
  table.compare(best, put, 0.95);
  table.compare(best, synced);
  table.compare(best, tus, 1.3);
  await rm(file);
}

async function sendSeconds({ binaries, folder, file, transport, lanes, unsealed }) {
  const data = join(folder, 'data');
  const relay = await server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--open-uploads', '--data', data]);
  const chromium = await Chromium.start();
  try {
    return (await timedSend(chromium, relay, [file], { transport, lanes, unsealed })).seconds;
  } finally {
    await chromium.close();
    await relay.stop();
    await rm(data, { recursive: true, force: true });
  }
}

async function putRate(binaries, folder, file, bytes, kind) {
  const stored = join(folder, 'put');
  const bare = await server(join(binaries, 'bare-server'), [stored]);
  try {
    return await median(async () => {
      const chromium = await Chromium.start();
      const tab = await chromium.open(bare.url);
      await tab.run(`document.body.innerHTML = '<input type=file>'`);
      await tab.choose('input', [file]);
      const seconds = await tab.run(`(async () => {
        const file = document.querySelector('input').files[0];
        const start = performance.now();
        const response = await fetch('/${kind}', { method: 'PUT', body: file });
        if (!response.ok) throw new Error(response.status);
        return (performance.now() - start) / 1000;
      })()`);
      await chromium.close();
      return rate(bytes, seconds);
    });
  } finally {
    await bare.stop();
    await rm(stored, { force: true });
  }
}

async function tusRate(folder, file, bytes) {
  return withTus(folder, async (address, client) =>
    median(async () => {
      const chromium = await Chromium.start();
      const tab = await chromium.open(address);
      await tab.run(`document.body.innerHTML = '<input type=file>'`);
      await tab.run(client);
      await tab.choose('input', [file]);
      const seconds = await tab.run(`(async () => {
        const file = document.querySelector('input').files[0];
        const start = performance.now();
        await new Promise((resolve, reject) => new tus.Upload(file, { endpoint: '/files', storeFingerprintForResuming: false, onSuccess: resolve, onError: reject }).start());
        return (performance.now() - start) / 1000;
      })()`);
      await chromium.close();
      return rate(bytes, seconds);
    }),
  );
}

/** Runs a tus server, and hands over its address and the client's script. */
export async function withTus(folder, use) {
  const stored = join(folder, 'tus');
  const tus = new Server({ path: '/files', datastore: new FileStore({ directory: stored }) });
  const http = createServer((request, response) => {
    if (request.url.startsWith('/files')) return tus.handle(request, response);
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>tus</title>');
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  try {
    const client = await readFile(new URL('../node_modules/tus-js-client/dist/tus.min.js', import.meta.url), 'utf8');
    return await use(`http://localhost:${http.address().port}/`, client);
  } finally {
    http.closeAllConnections();
    http.close();
    await rm(stored, { recursive: true, force: true });
  }
}
