// The same in Firefox: sent over each transport, received, kept, and opened without a network.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Browser, saved } from '../harness/chromium.mjs';
import { Firefox } from '../harness/firefox.mjs';
import { entries, Folder, tree } from '../harness/files.mjs';
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

for (const into of ['opfs', 'stream', 'blob']) {
  test(`Firefox receives one file and all of them, through ${into}`, async () => {
    const context = await fresh();
    const files = [await folder.file('letter – 日本語.txt', 'Dear fox'), await folder.large('film.bin', 20)];
    const { link } = await send(context, relay, files, { title: 'Two things' });
    const one = await receive(context, link, { query: `?into=${into}` });
    assert.equal(new URL(await one.url()).hash, '', 'L7: the secret part of the link stays in the address bar');
    await one.getByRole('button', { name: 'Download film.bin', exact: true }).click();
    await received(one);
    const [[name, bytes]] = Object.entries(await firefox.downloaded(1));
    assert.equal(name, 'film.bin');
    assert.deepEqual(bytes, await readFile(files[1]));
    await one.close();
    const all = await receive(context, link, { query: `?into=${into}` });
    await downloadAll(all);
    const archive = (await firefox.downloaded(2))['Two things.zip'];
    assert.deepEqual(entries(archive), await tree(folder.path));
  });
}

/* Firefox can hang for good in a worker that starts another one while the page starts one too: here the page still loads
 * its password estimator when the control worker starts those for the key and for the lanes. */
test('Firefox sends five packages one after another, and none of them hangs', async () => {
  const context = await fresh();
  const path = await folder.file('small.bin', 1_500_000);
  for (let time = 0; time < 5; time += 1) {
    const transport = time % 2 === 0 ? 'websocket' : 'webtransport';
    const { link } = await send(context, relay, [path], { transport, lanes: 4, timeout: 60_000 });
    assert.match(link, /\/p\/[\w-]+#/, `package ${time + 1}`);
  }
});

test('Firefox says that a password is wrong, and that a link was cut', async () => {
  const context = await fresh();
  const { link } = await send(context, relay, [await folder.file('a.txt', 'a')]);
  const page = await context.newPage();
  await page.goto(link);
  await unlock(page, 'not the password');
  await page.locator('#lock-problem').waitFor();
  const cut = await context.newPage();
  await cut.goto(link.slice(0, -3));
  assert.match(await failure(cut), /\((cut_link|bad_link)\)$/);
});

test('Firefox goes on by itself when the relay was killed', async () => {
  const context = await fresh();
  const path = await folder.large('survivor.bin', 64);
  const page = await openSend(context, relay);
  await addFiles(page, [path]);
  await describe(page);
  await pressSend(page);
  await percent(page, 10);
  await relay.kill();
  await relay.restart();
  const { link } = await sent(page, 240_000);
  const receiving = await receive(context, link);
  await receiving.getByRole('button', { name: 'Download survivor.bin', exact: true }).click();
  await received(receiving);
  assert.deepEqual((await firefox.downloaded(1))['survivor.bin'], await readFile(path));
});

test('Firefox opens a package kept encrypted from a saved page, without a network', async () => {
  const context = await fresh();
  const source = await folder.large('minutes.bin', 8);
  const { link } = await send(context, relay, [source], { title: 'Minutes' });
  const page = await receive(context, link);
  await page.getByRole('button', { name: 'Keep encrypted' }).click();
  const [name] = Object.keys(await firefox.downloaded(1));
  await page.goto(`${relay.url}/open`);
  await page.getByRole('link', { name: 'Save this page' }).click();
  await firefox.downloaded(2);
  const there = (file) => join(firefox.downloads, file);
  const offline = await context.newPage();
  await offline.goto(pathToFileURL(there('sealift-open.html')).href);
  await offline.locator('#choose-screen').waitFor();
  await offline.locator('#pick-files').setInputFiles([there(name)]);
  await unlock(offline, 'not the password');
  await offline.locator('#lock-problem').waitFor();
  await unlock(offline, 'correct horse battery staple');
  await offline.locator('#contents-screen').waitFor();
  await offline.getByRole('button', { name: 'Download minutes.bin', exact: true }).click();
  await received(offline);
  assert.deepEqual((await firefox.downloaded(3))['minutes.bin'], await readFile(source));
});
