// The browser's own save dialog: opened by the click, operated by keys and mouse, and written to where it said.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';
import { Folder, sha256 } from '../harness/files.mjs';
import { receive, received, send } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';
import { Screen } from '../harness/screen.mjs';

let screen;
let relay;
let browser;
let folder;

before(async () => {
  [screen, relay, folder] = await Promise.all([Screen.start(), Relay.start(), Folder.make()]);
  browser = await Browser.startOn(screen);
});
after(async () => {
  await browser?.close();
  screen?.close();
  await Promise.all([relay?.stop(), folder?.remove()]);
});

test('a file goes where the save dialog said; a dialog that was dismissed saves nothing', async () => {
  const source = await folder.file('film.bin', 30_000_000);
  const there = await folder.folder('there');
  const context = await browser.profile();
  const { link } = await send(context, relay, [source], { transport: 'websocket' });
  const page = await receive(context, link);
  const press = () => page.getByRole('button', { name: 'Download film.bin' }).click();
  await press();
  await screen.dismiss();
  await page.locator('#contents-screen').waitFor();
  assert.deepEqual(await readdir(there), []);
  await press();
  await screen.saveAs(join(there, 'saved.bin'));
  await received(page);
  assert.match(await page.locator('#received-lead').innerText(), /Saved where you chose\./);
  assert.deepEqual(await readdir(there), ['saved.bin']);
  assert.equal(await sha256(join(there, 'saved.bin')), await sha256(source));
  assert.deepEqual(browser.faults, [], 'policy violations, uncaught errors or foreign requests');
});
