// 2,000 small files.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Chromium } from '../cdp.mjs';
import { median, program, server } from '../measure.mjs';
import { timedSend } from '../portal.mjs';
import { withTus } from './upload.mjs';

const COUNT = 2_000;
const BYTES = 10_000;

export async function small(table, { folder, binaries }) {
  table.section('2,000 small files', `${COUNT} files of ${BYTES / 1000} kB in 20 folders, from *Send* to *Sent*. PUT and tus: six at a time, as browsers do.`);
  const root = join(folder, 'small');
  for (let number = 0; number < COUNT; number += 1) {
    const inside = join(root, String(number % 20));
    if (number < 20) await mkdir(inside, { recursive: true });
    await writeFile(join(inside, `${number}.bin`), crypto.getRandomValues(new Uint8Array(BYTES)));
  }
  const data = join(folder, 'data');
  const relay = await server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--open-uploads', '--data', data]);
  const seconds = (measure) =>
    median(async () => {
      const chromium = await Chromium.start();
      try {
        return await measure(chromium);
      } finally {
        await chromium.close();
      }
    });
  const row = (name, value, note) => table.row(name, COUNT / value, 'files/s', note);
  const sealed = row('Send page', await seconds(async (chromium) => (await timedSend(chromium, relay, [root], { folder: true })).seconds), 'sealed, in packs');
  row('sealift send', await median(async () => (await program(join(binaries, 'sealift'), ['send', root, '--to', relay.url, '--no-password', '--quiet'])).seconds), 'sealed, in packs');
  await relay.stop();

  const stored = join(folder, 'put');
  const bare = await server(join(binaries, 'bare-server'), [stored]);
  const put = row('fetch PUT', await seconds((chromium) => each(chromium, bare.url, root, '', `fetch('/file', { method: 'PUT', body: file })`)), 'bare axum handler');
  await bare.stop();
  const tus = await withTus(folder, (address, client) =>
    seconds((chromium) =>
      each(chromium, address, root, client, `new Promise((resolve, reject) => new tus.Upload(file, { endpoint: '/files', storeFingerprintForResuming: false, onSuccess: resolve, onError: reject }).start())`),
    ),
  );
  table.compare(sealed, put);
  table.compare(sealed, row('tus-js-client to @tus/server', tus));
  await Promise.all([root, data, stored].map((path) => rm(path, { recursive: true, force: true })));
}

/** Uploads each file of a folder on its own; returns the seconds for all. */
async function each(chromium, url, root, script, one) {
  const tab = await chromium.open(url);
  await tab.run(`document.body.innerHTML = '<input type=file webkitdirectory>'`);
  if (script) await tab.run(script);
  await tab.choose('input', [root]);
  await tab.until(`document.querySelector('input').files.length === ${COUNT}`);
  return tab.run(`(async () => {
    const files = [...document.querySelector('input').files];
    const start = performance.now();
    await Promise.all(Array.from({ length: 6 }, async () => { for (let file = files.pop(); file; file = files.pop()) await ${one}; }));
    return (performance.now() - start) / 1000;
  })()`);
}
