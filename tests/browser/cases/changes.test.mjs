// What nobody tells the page: a file that changes in Firefox, a relay that falls silent.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Firefox } from '../harness/firefox.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { addFiles, describe, failure, openSend, percent, pressSend, receive, received, send } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

let relay;
let browser;
let folder;

before(async () => {
  relay = await Relay.start();
});
after(() => relay?.stop());
async function fresh(kind) {
  [browser, folder] = await Promise.all([kind.start(), Folder.make()]);
  return browser.profile();
}
afterEach(async () => {
  relay.process.kill('SIGCONT');
  await Promise.all([browser?.close(), folder?.remove()]);
});

test('C2: Firefox, which reads a changed file without a word, says that it changed', async () => {
  const context = await fresh(Firefox);
  const path = await folder.large('changing.bin', 128);
  const page = await openSend(context, relay, { transport: 'websocket', lanes: 1 });
  await addFiles(page, [path]);
  await describe(page);
  await pressSend(page);
  await percent(page, 10);
  // This is sealed already: nothing but reading all of it again can tell.
  await writeFile(path, 'something else', { flag: 'r+' });
  assert.match(await failure(page, 180_000), /\(file_changed\)$/);
});

test('a relay that falls silent is left at once by Cancel, and waited for otherwise', async () => {
  const context = await fresh(Browser);
  const { link } = await send(context, relay, [await folder.large('film.bin', 20)]);
  const page = await receive(context, link);
  relay.process.kill('SIGSTOP');
  await page.getByRole('button', { name: 'Download all' }).click();
  await page.locator('#progress-screen').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('#contents-screen').waitFor({ timeout: 10_000 });
  await page.getByRole('button', { name: 'Download all' }).click();
  await page.getByText('The connection is gone.').first().waitFor({ timeout: 90_000 });
  relay.process.kill('SIGCONT');
  await received(page);
  assert.deepEqual(await saved(page), await tree(folder.path));
});
