// Buttons pressed while something else is still under way: what the page then says is what really happens.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { addFiles, describe, openSend, PASSWORD, pressSend, receive, send, sent, status } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

let relay;
let browser;
let context;
let folder;
let small;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  small = await folder.file('small.txt', 10_000);
});
after(() => Promise.all([browser?.close(), relay?.stop(), folder?.remove()]));
async function fresh() {
  context = await browser.profile();
  return context;
}
afterEach(async () => {
  await context?.close();
  assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests');
});

/** The Send page with a file and a password. The relay's answers about its policy are the test's, after the first. */
async function filled(answer) {
  const page = await openSend(await fresh(), relay, { transport: 'websocket' });
  await page.waitForLoadState('networkidle');
  await page.route('**/api/policy', answer);
  await addFiles(page, [small]);
  await describe(page);
  return page;
}

test('a sending that was cancelled before the relay answered stays cancelled', async () => {
  const asked = [];
  const page = await filled((route) => void asked.push(route));
  await pressSend(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled. Nothing of it is kept.').first().waitFor();
  assert.equal(asked.length, 1);
  const more = []; // what it asks of the relay; the meter of passwords may still be loading its own files
  page.on('request', (request) => { if (!new URL(request.url()).pathname.startsWith('/assets/strength') && !request.url().includes('sealift_strength')) more.push(request.url()); });
  await asked[0].fulfill({ status: 503, contentType: 'application/json', body: '{"code":"relay_busy"}' });
  await page.waitForTimeout(3_000);
  assert.deepEqual(more, [], 'it went on by itself');
  assert.equal(await page.locator('#compose-screen').isVisible(), true);
});

test('Send waits for a dropped folder that is still being read, and nothing that comes later is called sent', async () => {
  await fresh();
  await context.addInitScript(() => {
    // A folder on a slow disk: its list of entries comes when the test says so.
    const may = new Promise((resolve) => (globalThis.goOn = resolve));
    window.showDirectoryPicker = async () => {
      const handle = await (await navigator.storage.getDirectory()).getDirectoryHandle('slow', { create: true });
      for (let number = 0; number < 30; number += 1) {
        const writable = await (await handle.getFileHandle(`${number}.txt`, { create: true })).createWritable();
        await writable.write(`file ${number}`);
        await writable.close();
      }
      const values = handle.values.bind(handle);
      handle.values = async function* () {
        await may;
        yield* values();
      };
      return handle;
    };
  });
  const page = await openSend(context, relay, { transport: 'websocket' });
  await addFiles(page, [small]);
  await describe(page);
  await page.getByRole('button', { name: 'Add folder' }).click();
  await page.waitForTimeout(1_000);
  await pressSend(page);
  await pressSend(page); // and once more, out of impatience
  await page.getByText('still being read').first().waitFor();
  await page.evaluate(() => globalThis.goOn());
  const { link } = await sent(page);
  assert.match(await page.locator('#sent-lead').innerText(), /^31 files,/);
  const received = await receive(context, link);
  assert.match(await received.locator('#contents-lead').innerText(), /^31 files,/);
});

test('Cancel while the browser’s dialog is open ends the download: choosing a place afterwards saves nothing', async () => {
  const { link } = await send(await fresh(), relay, [small], { transport: 'websocket' });
  const page = await receive(context, link);
  await page.evaluate(() => {
    const usual = window.showSaveFilePicker;
    const chosen = new Promise((resolve) => (globalThis.choose = resolve));
    window.showSaveFilePicker = async (options) => chosen.then(() => usual(options));
  });
  await page.getByRole('button', { name: 'Download small.txt' }).click();
  await page.getByRole('heading', { name: 'Where to?' }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('#contents-screen').waitFor();
  await page.evaluate(() => globalThis.choose());
  await page.waitForTimeout(1_500);
  assert.equal(await page.locator('#contents-screen').isVisible(), true);
  const there = await saved(page);
  assert.notEqual(there['small.txt'], (await tree(folder.path))['small.txt'], 'it was saved after Cancel');
});

test('P1: a password that was entered is used, also when the relay then says that it asks for none', async () => {
  await fresh();
  let answer;
  await context.route('**/api/policy', async (route) => {
    const response = await route.fetch();
    const policy = await response.json();
    await new Promise((resolve) => (answer = resolve));
    policy.protection.mode = 'off';
    await route.fulfill({ response, json: policy });
  });
  const page = await openSend(context, relay, { transport: 'websocket' });
  await addFiles(page, [small]);
  await describe(page);
  answer();
  await page.waitForLoadState('networkidle');
  assert.equal(await page.getByLabel('With a password').isChecked(), true);
  const answered = setInterval(() => answer(), 100); // the one that is asked when it is sent
  await pressSend(page);
  const { link } = await sent(page);
  clearInterval(answered);
  const open = await context.newPage();
  await open.goto(link);
  await open.locator('#lock-screen').waitFor();
  await open.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await open.getByRole('button', { name: 'Open', exact: true }).click();
  await open.locator('#contents-screen').waitFor();
  assert.notEqual(await status(open), '');
});

test('no field of any page is kept by the browser', async () => {
  await fresh();
  for (const path of ['/', '/open', '/p/AAAAAAAAAAAAAAAAAAAAAA', '/manage/AAAAAAAAAAAAAAAAAAAAAA']) {
    const page = await context.newPage();
    await page.goto(relay.url + path);
    const kept = await page.evaluate(() => [...document.querySelectorAll('input, textarea')]
      .filter(({ type, autocomplete }) => !['file', 'radio', 'checkbox'].includes(type) && !['off', 'new-password'].includes(autocomplete))
      .map(({ id }) => id));
    assert.deepEqual(kept, [], path);
  }
});
