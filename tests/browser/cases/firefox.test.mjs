// The same in Firefox: sent over each transport, received, kept, and opened without a network.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Browser, saved } from '../harness/chromium.mjs';
import { Firefox } from '../harness/firefox.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { addFiles, describe, downloadAll, failure, openSend, percent, pressSend, progressNeverGoesBack, receive, received, send, sent, unlock } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

let relay;
let firefox;
let folder;

before(async () => {
  relay = await Relay.start();
});
after(() => relay?.stop());
/** A browser of its own for each test: what it downloads stands alone. */
async function fresh() {
  [firefox, folder] = await Promise.all([Firefox.start(), Folder.make()]);
  return firefox.profile();
}
afterEach(async () => {
  await Promise.all([firefox?.close(), folder?.remove()]);
  assert.deepEqual(firefox.faults, [], 'policy violations or uncaught errors');
});

for (const transport of ['webtransport', 'websocket']) {
  test(`Firefox sends over ${transport} what Chromium receives`, async () => {
    const context = await fresh();
    const paths = [
      await folder.file('empty', 0),
      await folder.file('Ünïcode – 日本語 🚢.txt', 70_000),
      await folder.large('large.bin', 48),
    ];
    const page = await openSend(context, relay, { transport });
    await addFiles(page, paths);
    await describe(page, { title: 'From a fox' });
    const steady = await progressNeverGoesBack(page);
    await pressSend(page);
    const { link } = await sent(page, 180_000);
    await steady();
    const chromium = await Browser.start();
    const receiving = await receive(await chromium.profile(), link);
    await downloadAll(receiving);
    assert.deepEqual(await saved(receiving), await tree(folder.path));
    await chromium.close();
  });
}
