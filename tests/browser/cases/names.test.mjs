// Hostile names, titles and notes are shown harmlessly and escape nowhere.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { looksRight } from '../harness/look.mjs';
import { addFolder, describe, downloadAll, failure, openSend, pressSend, receive, send, sent } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

const RUNS = '<img src=x onerror=globalThis.hacked=1>';
/** Everything that turns the direction of writing around, and control characters. */
const DECEIVES = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

let relay;
let browser;
let context;
let folder;

before(async () => {
  [relay, browser] = await Promise.all([Relay.start(), Browser.start()]);
});
after(() => Promise.all([browser?.close(), relay?.stop()]));
async function fresh() {
  [context, folder] = await Promise.all([browser.profile(), Folder.make()]);
  return context;
}
afterEach(async () => {
  await Promise.all([context?.close(), folder?.remove()]);
  assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests');
});

async function assertHarmless(page) {
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined, 'a name ran');
  assert.doesNotMatch(await page.locator('main').innerText(), DECEIVES);
  assert.equal(await page.locator('main img').count(), 0, 'a name became markup');
}

/** Adds files whose names no disk has, as a hostile page around ours or a broken browser could. */
function addNamed(page, names) {
  return page.evaluate((names) => {
    const files = new DataTransfer();
    for (const name of names) files.items.add(new File(['harmless'], name));
    const picker = document.querySelector('#pick-files');
    picker.files = files.files;
    picker.dispatchEvent(new Event('change'));
  }, names);
}

test('names that would escape or run are shown harmlessly, and saved under safe ones', async () => {
  await fresh();
  const names = [`${RUNS}.txt`, 'CON', 'invoice\u202Egpj.exe', '-rf', 'a\u0007b.txt', 'zero\u200bwidth', '.hidden', 'ends with a dot.'];
  const paths = await Promise.all(names.map((name) => folder.file(name, 'harmless')));
  const { link } = await send(context, relay, paths, { title: `${RUNS}\u202Egpj`, note: `${RUNS}\n\u2066turned` });
  const page = await receive(context, link);
  await assertHarmless(page);
  await looksRight(page, 'receive-hostile-names');
  await downloadAll(page);
  await assertHarmless(page);
  const files = await saved(page);
  assert.equal(new Set(Object.values(files)).size, 1);
  assert.equal(Object.keys(files).length, names.length);
  for (const name of Object.keys(files)) assert.doesNotMatch(name, /[\/\\:*?"<>|\u0000-\u001f\u202a-\u202e]|^(CON|\.+)$|[. ]$/i, name);
});

for (const name of ['../x', '..', '/etc/passwd', 'a//b', 'nul\u0000byte']) {
  test(`the name ${JSON.stringify(name)} escapes nowhere`, async () => {
    await fresh();
    const page = await openSend(context, relay, { transport: 'websocket' });
    await addNamed(page, [name]);
    await page.getByText('1 file').first().waitFor();
    await describe(page, { password: null });
    await pressSend(page);
    const ended = await Promise.race([sent(page), failure(page)]).catch((thrown) => thrown.message);
    await assertHarmless(page);
    if (typeof ended === 'string') return assert.match(ended, /\(bad_name\)$/);
    const received = await receive(context, ended.link, { password: null });
    await assertHarmless(received);
    await downloadAll(received);
    const files = Object.keys(await saved(received));
    assert.equal(files.length, 1);
    for (const part of files[0].split('/')) assert.doesNotMatch(part, /^(|\.+)$|[\u0000-\u001f]/);
  });
}

test('a path of 1 KiB goes through; a longer one, and a name of over 255 bytes, are refused with a sentence', async () => {
  await fresh();
  const step = 'd'.repeat(200);
  const most = [step, step, step, step, 'f'.repeat(1024 - 'deep/'.length - 4 * 201)].join('/');
  await folder.file(join('deep', most), 'at the bottom');
  await folder.file('deep/second.txt', 'so that it is a folder that is saved');
  const page = await openSend(context, relay, { transport: 'websocket' });
  await addFolder(page, join(folder.path, 'deep'));
  await describe(page, { password: null });
  await pressSend(page);
  const { link } = await sent(page);
  const received = await receive(context, link, { password: null });
  await looksRight(received, 'receive-long-names');
  await downloadAll(received);
  assert.deepEqual(Object.keys(await saved(received)).map((path) => path.length).sort(), [1024, 'deep/second.txt'.length]);

  await folder.file(join('deeper', `${most}${'g'.repeat(20)}`), 'too deep');
  const long = await openSend(context, relay, { transport: 'websocket' });
  await addFolder(long, join(folder.path, 'deeper'));
  await describe(long, { password: null });
  await pressSend(long);
  assert.match(await failure(long), /\(bad_name\)$/);
  await looksRight(long, 'send-bad-name');

  const wide = await openSend(context, relay, { transport: 'websocket' });
  await addNamed(wide, ['é'.repeat(200)]);
  await describe(wide, { password: null });
  await pressSend(wide);
  assert.match(await failure(wide), /\(bad_name\)$/);
});
