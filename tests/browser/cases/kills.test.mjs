// The relay is killed fifty times while one file is sent: nothing that it acknowledged is lost, and the open page goes on
// by itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../harness/chromium.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { addFiles, describe, openSend, PASSWORD, pressSend, progressNeverGoesBack, sent } from '../harness/portal.mjs';
import { program, Relay } from '../harness/relay.mjs';

const KILLS = 50;
const FILE_MIB = 320;
/** How long a relay lives at most after the page has found it, in milliseconds: from before a part is stored to after. */
const LIFE_MS = 350;

const run = promisify(execFile);
let relay;
let browser;
let folder;

before(async () => {
  if (existsSync('/dev/shm')) process.env.TMPDIR = '/dev/shm'; // what a kill must not lose is on the relay's word, not on a disk
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
});
after(() => Promise.all([browser?.close(), relay?.stop(), folder?.remove()]));

test(`the relay is killed ${KILLS} times during one upload, and everything arrives`, async () => {
  const path = await folder.large('survivor.bin', FILE_MIB);
  const page = await openSend(await browser.profile(), relay, { transport: 'websocket' });
  await addFiles(page, [path]);
  await describe(page);
  const steady = await progressNeverGoesBack(page);
  await pressSend(page);
  let seed = 1;
  for (let kill = 0; kill < KILLS; kill += 1) {
    await page.getByText('Connected over WebSocket').waitFor();
    seed = (seed * 16_807) % 2_147_483_647;
    const share = Number(await page.locator('#progress-percent').innerText()) / 100;
    if (share * KILLS < kill + 1) await page.waitForTimeout(seed % LIFE_MS); // on a fast machine it must last for all of them
    assert.equal(await page.locator('#progress-screen').isVisible(), true, `it was over after ${kill} kills`);
    await relay.kill();
    await relay.restart();
  }
  const { link } = await sent(page, 180_000);
  await steady();
  const there = await Folder.make();
  await run(program('sealift'), ['receive', '--output', there.path, '--quiet'], { env: { ...process.env, SEALIFT_PASSWORD: PASSWORD, SEALIFT_LINK: link } });
  assert.deepEqual(await tree(there.path), await tree(folder.path));
  await there.remove();
});
