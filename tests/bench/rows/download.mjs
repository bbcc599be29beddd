// Downloads, opened while they arrive, against the same bytes from a bare axum handler.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Chromium } from '../cdp.mjs';
import { MIB, median, noise, program, rate, server, UPLOAD_MIB } from '../measure.mjs';
import { timedReceive, timedSend } from '../portal.mjs';

/** In a worker: fetch, and write what comes into the private file system. */
const RAW = `
  onmessage = async ({ data: url }) => {
    const root = await navigator.storage.getDirectory();
    const handle = await (await root.getFileHandle('raw', { create: true })).createSyncAccessHandle();
    const start = performance.now();
    let at = 0;
    for await (const piece of (await fetch(url)).body) at += handle.write(piece, { at });
    handle.flush();
    handle.close();
    postMessage({ seconds: (performance.now() - start) / 1000, bytes: at });
  };`;

export async function download(table, { folder, ramDisk, binaries }) {
  table.section('Downloads', `One file of ${UPLOAD_MIB} MiB into the browser's private file system, and by the command line onto a RAM disk.`);
  const bytes = UPLOAD_MIB * MIB;
  const file = await noise(folder, 'download.bin', UPLOAD_MIB);
  const data = join(folder, 'data');
  const relay = await server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--open-uploads', '--data', data]);
  const bare = await server(join(binaries, 'bare-server'), [file]);
  const chromium = await Chromium.start();
  const { link } = await timedSend(chromium, relay, [file]);
  await chromium.close();

  const inBrowser = async (measure) =>
    median(async () => {
      const browser = await Chromium.start();
      try {
        return rate(bytes, await measure(browser));
      } finally {
        await browser.close();
      }
    });
  const raw = table.row('fetch GET', await inBrowser((browser) => rawSeconds(browser, bare.url)), 'MB/s', 'bare axum handler, unsealed');
  const opened = table.row('Receive page', await inBrowser(async (browser) => (await timedReceive(browser, link)).seconds), 'MB/s', 'verified and opened');
  table.compare(opened, raw);

  const out = join(ramDisk, 'received');
  const received = async (command, args, env) =>
    median(async () => {
      await rm(out, { recursive: true, force: true });
      return rate(bytes, (await program(command, args, { env })).seconds);
    });
  const curl = table.row('curl', await received('curl', ['-sSo', out, `${bare.url}/file`]), 'MB/s', 'bare axum handler, unsealed');
  const command = await received(join(binaries, 'sealift'), ['receive', '-o', out, '--quiet'], { SEALIFT_LINK: link });
  table.compare(table.row('sealift receive', command, 'MB/s', 'verified and opened'), curl);
  await Promise.all([relay.stop(), bare.stop()]);
  await Promise.all([file, data, out].map((path) => rm(path, { recursive: true, force: true })));
}

function rawSeconds(browser, url) {
  return browser.open(url).then((tab) =>
    tab.run(`new Promise((resolve, reject) => {
      const worker = new Worker(URL.createObjectURL(new Blob([${JSON.stringify(RAW)}])));
      worker.onmessage = ({ data }) => resolve(data.seconds);
      worker.onerror = reject;
      worker.postMessage('${url}/file');
    })`),
  );
}
