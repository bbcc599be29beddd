// Files of every kind go through, over each transport, and come out the same.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe as group, test } from 'node:test';
import { promisify } from 'node:util';
import { Browser, drop, saved } from '../harness/chromium.mjs';
import { Folder, sha256, tree } from '../harness/files.mjs';
import { addFolder, describe, downloadAll, openSend, PASSWORD, pressSend, progressNeverGoesBack, receive, send, sent } from '../harness/portal.mjs';
import { program, Relay } from '../harness/relay.mjs';

const LARGE_MIB = Number(process.env.SEALIFT_LARGE_MIB ?? 192);
const LARGE_LIMIT_MS = 900_000;
const run = promisify(execFile);
let relay;
let browser;
let context;

before(async () => {
  [relay, browser] = await Promise.all([Relay.start(), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop()]);
});

/** A profile of its own for each test, so that what it saved stands alone. */
async function fresh() {
  context = await browser.profile();
  return context;
}
afterEach(async () => {
  await context?.close();
  assert.deepEqual(browser.faults, [], 'policy violations, uncaught errors or foreign requests');
});

for (const transport of ['webtransport', 'websocket']) {
  group(`over ${transport}`, () => {
    test('an empty file, Unicode names, and two files of one name', async () => {
      const folder = await Folder.make();
      const paths = [
        await folder.file('empty', 0),
        await folder.file('one byte', 'x'),
        await folder.file('Ünïcode – 日本語 🚢 العربية.txt', 70_000),
        await folder.file('two segments.bin', 524_256 + 1, 3),
        await folder.file('a/same name.txt', 'first'),
        await folder.file('b/same name.txt', 'second'),
      ];
      const { link } = await send(await fresh(), relay, paths, { transport, title: 'Everyday files', note: 'Hello' });
      const page = await receive(context, link);
      assert.match(await page.locator('#contents-title').innerText(), /Everyday files/);
      await downloadAll(page);
      const wanted = await tree(folder.path);
      wanted['same name.txt'] = wanted['a/same name.txt'];
      wanted['same name (2).txt'] = wanted['b/same name.txt'];
      delete wanted['a/same name.txt'];
      delete wanted['b/same name.txt'];
      assert.deepEqual(await saved(page), wanted);
      await folder.remove();
    });

    test('a dropped folder of 250 files with empty folders', async () => {
      const folder = await Folder.make();
      for (let number = 0; number < 250; number += 1) await folder.file(`drop/files/${number}.bin`, 100 + number, number + 1);
      await folder.folder('drop/empty');
      await folder.folder('drop/nested/also empty');
      const page = await openSend(await fresh(), relay, { transport });
      await drop(page, [join(folder.path, 'drop')]);
      await page.getByText('250 files').first().waitFor();
      await describe(page);
      await pressSend(page);
      const { link } = await sent(page);
      const received = await receive(context, link);
      await downloadAll(received);
      assert.deepEqual(await saved(received), await tree(folder.path));
      await folder.remove();
    });

    test('2,000 small files by the folder picker, without a password', async () => {
      const folder = await Folder.make();
      for (let number = 0; number < 2_000; number += 1) await folder.file(`small/${number % 20}/${number}.txt`, `file ${number}\n`.repeat(20));
      const page = await openSend(await fresh(), relay, { transport });
      await addFolder(page, join(folder.path, 'small'));
      await describe(page, { password: null });
      await pressSend(page);
      const { link } = await sent(page);
      const received = await receive(context, link, { password: null });
      await downloadAll(received);
      assert.deepEqual(await saved(received), await tree(folder.path));
      await folder.remove();
    });

    test(`a file of ${LARGE_MIB} MiB, with steady progress; the command line opens it too`, async () => {
      const files = await Folder.make();
      const path = await files.large('large.bin', LARGE_MIB);
      const page = await openSend(await fresh(), relay, { transport });
      await page.locator('#pick-files').setInputFiles([path]);
      await describe(page);
      const steady = await progressNeverGoesBack(page);
      await pressSend(page);
      const { link } = await sent(page, LARGE_LIMIT_MS);
      await steady();
      const wanted = await tree(files.path);
      assert.deepEqual(await receivedLarge(link), wanted);
      const there = await Folder.make();
      await cli(['receive', '--output', there.path], link);
      assert.deepEqual(await tree(there.path), wanted);
      await Promise.all([there.remove(), files.remove()]);
    });
  });
}

/** Receives a package with one file. No page can hash one that is larger than its memory, so that comes as a download. */
async function receivedLarge(link) {
  const page = await receive(context, link, { query: LARGE_MIB > 1024 ? '?into=opfs' : '' });
  if (LARGE_MIB <= 1024) {
    await downloadAll(page, LARGE_LIMIT_MS);
    return saved(page);
  }
  const downloading = page.waitForEvent('download', { timeout: LARGE_LIMIT_MS });
  await downloadAll(page, LARGE_LIMIT_MS);
  const download = await downloading;
  const found = { [download.suggestedFilename()]: await sha256(await download.path()) };
  await context.close(); // two copies of it lie there
  return found;
}

test('what the command line sends, the page opens', async () => {
  const folder = await Folder.make();
  await folder.file('report.txt', 'from a terminal');
  const { stdout } = await cli(['send', join(folder.path, 'report.txt'), '--to', relay.url]);
  const link = /https?:\/\/\S+\/p\/\S+/.exec(stdout)?.[0];
  assert.ok(link, stdout);
  const page = await receive(await fresh(), link);
  await downloadAll(page);
  assert.deepEqual(await saved(page), await tree(folder.path));
  await folder.remove();
});

test('one file alone goes through the save dialog, or through the browser’s downloads', async () => {
  const folder = await Folder.make();
  const path = await folder.file('single.bin', 3_000_000);
  const { link } = await send(await fresh(), relay, [path]);
  const page = await receive(context, link);
  await page.getByRole('button', { name: 'Download single.bin' }).click();
  await page.getByRole('heading', { name: 'Received', exact: true }).waitFor();
  assert.deepEqual(await saved(page), await tree(folder.path));
  for (const into of ['opfs', 'stream', 'blob']) {
    const other = await receive(context, link, { query: `?into=${into}` });
    const downloading = other.waitForEvent('download');
    await other.getByRole('button', { name: 'Download single.bin' }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), 'single.bin', into);
    assert.deepEqual(await readFile(await download.path()), await readFile(path), into);
    await other.close();
  }
  await folder.remove();
});

/** Runs the command line with the test's password and, where one is needed, a link. */
function cli(args, link) {
  const secrets = { SEALIFT_PASSWORD: PASSWORD, ...(link ? { SEALIFT_LINK: link } : {}) };
  return run(program('sealift'), [...args, '--quiet'], { env: { ...process.env, ...secrets } });
}
