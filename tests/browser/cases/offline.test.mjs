// Kept encrypted, opened later: from a saved copy of the page, without a server.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { failure, receive, send, unlock } from '../harness/portal.mjs';
import { looksRight } from '../harness/look.mjs';
import { Relay } from '../harness/relay.mjs';

let relay;
let browser;
let context;
let folder;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  context = await browser.profile();
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop(), folder?.remove()]);
});
afterEach(() => assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests'));

test('a package is kept encrypted and opened from a saved page, with the relay gone', async () => {
  const source = await folder.file('minutes of the meeting.txt', 400_000);
  const { link } = await send(context, relay, [source], { title: 'Minutes' });
  const page = await receive(context, link);
  const keeping = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Keep encrypted' }).click();
  const kept = join(folder.path, 'kept.sealift');
  await (await keeping).saveAs(kept);

  const open = await context.newPage();
  await open.goto(`${relay.url}/open`);
  const saving = open.waitForEvent('download');
  await open.getByRole('link', { name: 'Save this page' }).click();
  const html = join(folder.path, 'sealift-open.html');
  await (await saving).saveAs(html);
  await relay.stop();

  const offline = await context.newPage();
  await offline.goto(`${pathToFileURL(html).href}?into=blob`); // no dialog opens without a screen
  await offline.locator('#choose-screen').waitFor();
  await looksRight(offline, 'offline-choose');
  await offline.locator('#pick-files').setInputFiles([kept]);
  await offline.locator('#lock-screen').waitFor();
  await unlock(offline, 'not the password');
  await offline.locator('#lock-problem').waitFor();
  await unlock(offline, 'correct horse battery staple');
  await offline.locator('#contents-screen').waitFor();
  await looksRight(offline, 'offline-contents');
  const downloading = offline.waitForEvent('download');
  await offline.getByRole('button', { name: /^Download minutes/ }).click();
  const download = await downloading;
  assert.deepEqual(await readFile(await download.path()), await readFile(source));

  const cut = await folder.file('cut.sealift', (await readFile(kept)).subarray(0, 300_000));
  await offline.reload();
  await offline.locator('#pick-files').setInputFiles([cut]);
  const words = await failure(offline);
  assert.match(words, /\(cut_short\)$/);
});
