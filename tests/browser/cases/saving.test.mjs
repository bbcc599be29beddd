// Several files where no folder can be picked: one archive, put together from verified files.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { Browser, drop } from '../harness/chromium.mjs';
import { entries, Folder, tree } from '../harness/files.mjs';
import { describe, openSend, pressSend, receive, received, sent } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';
import { join } from 'node:path';

let relay;
let browser;

before(async () => {
  [relay, browser] = await Promise.all([Relay.start(), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop()]);
});
afterEach(() => assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests'));

test('a folder comes as one archive through each way to save without a dialog', async () => {
  const folder = await Folder.make();
  for (let number = 0; number < 20; number += 1) await folder.file(`box/small/${number}.txt`, `file ${number}`, number + 1);
  await folder.file('box/large – 日本.bin', 3_000_000, 5);
  await folder.folder('box/empty');
  const context = await browser.profile();
  const page = await openSend(context, relay);
  await drop(page, [join(folder.path, 'box')]);
  await page.getByText('21 files').first().waitFor();
  await describe(page, { title: 'Moving: box' });
  await pressSend(page);
  const { link } = await sent(page);
  const wanted = await tree(folder.path);
  for (const into of ['opfs', 'stream', 'blob']) {
    const receiving = await receive(context, link, { query: `?into=${into}` });
    const downloading = receiving.waitForEvent('download');
    await receiving.getByRole('button', { name: 'Download all' }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), 'Moving_ box.zip', into);
    assert.deepEqual(entries(await readFile(await download.path())), wanted, into);
    await received(receiving);
    await receiving.close();
  }
  await context.close();
  await folder.remove();
});
