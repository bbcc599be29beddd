// The states that no other case comes by: pictures, axe-core, 360 px, and the keyboard alone.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { look, looksRight, tabTo } from '../harness/look.mjs';
import { addFiles, describe, failure, openSend, PASSWORD, percent, pressSend, receive, send, sent, status, unlock } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

let relay;
let browser;
let context;
let folder;
let large;
let small;
let links;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  context = await browser.profile();
  large = await folder.large('film.mov', 160);
  small = await folder.file('letter.txt', 4_000);
});
after(() => Promise.all([browser?.close(), relay?.stop(), folder?.remove()]));
afterEach(() => assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests'));

test('the form, filled in by halves', async () => {
  const faults = [];
  const page = await openSend(context, relay);
  await addFiles(page, [small]);
  await page.getByRole('button', { name: 'Generate' }).click();
  await page.getByRole('button', { name: 'Copy password' }).waitFor();
  faults.push(...(await look(page, 'send-generated')));
  await page.getByLabel('Repeat password').fill('something else');
  await pressSend(page);
  await page.getByText('not the same').first().waitFor();
  faults.push(...(await look(page, 'send-passwords-differ')));
  await page.getByLabel('No password').check();
  faults.push(...(await look(page, 'send-no-password')));
  await page.getByLabel('With people’s keys').check();
  await page.getByLabel('Recipients', { exact: true }).fill('sealift1notakey');
  await page.locator('#recipients-problem').waitFor();
  faults.push(...(await look(page, 'send-not-a-key')));
  await page.close();
  assert.deepEqual(faults, []);
});

test('getting ready, sending, waiting for the relay, and sent', async () => {
  const faults = [];
  const page = await openSend(context, relay, { lanes: 1, transport: 'websocket' });
  await page.waitForLoadState('networkidle');
  let answer;
  await page.route('**/api/policy', (route) => void (answer = () => route.continue()));
  await addFiles(page, [large, small]);
  await describe(page, { title: 'Film' });
  await pressSend(page);
  await page.getByRole('heading', { name: 'Getting ready' }).waitFor();
  faults.push(...(await look(page, 'send-preparing')));
  answer();
  await percent(page, 5);
  await relay.kill();
  await page.getByRole('heading', { name: 'Waiting for the connection' }).waitFor();
  await page.locator('#manage summary').click();
  faults.push(...(await look(page, 'send-waiting')));
  await relay.restart();
  links = await sent(page);
  await page.locator('#manage summary').click();
  faults.push(...(await look(page, 'send-sent-manage')));
  await page.close();
  assert.deepEqual(faults, []);
});

test('choosing files, a download that rests, and one without its relay', async () => {
  const faults = [];
  const page = await receive(context, links.link, { query: '?into=opfs' });
  await page.getByRole('checkbox', { name: 'Select letter.txt' }).check();
  faults.push(...(await look(page, 'receive-selected')));
  await page.getByRole('button', { name: 'Select all' }).click();
  await page.getByRole('button', { name: 'Download film.mov' }).click();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  faults.push(...(await look(page, 'receive-paused')));
  await relay.kill();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('The connection is gone.').first().waitFor();
  faults.push(...(await look(page, 'receive-waiting')));
  await relay.restart();
  await page.getByRole('heading', { name: 'Received', exact: true }).waitFor({ timeout: 60_000 });
  await page.close();
  assert.deepEqual(faults, []);
});

test('L3: files that were kept one by one: what is missing is said, and what is saved is not called complete', async () => {
  const page = await receive(context, links.link);
  await page.getByRole('checkbox', { name: 'Select letter.txt' }).check();
  const keeping = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Keep encrypted' }).click();
  const kept = join(folder.path, 'letter.sealift');
  await (await keeping).saveAs(kept);
  await page.goto(`${relay.url}/open?into=blob`);
  await page.locator('#pick-files').setInputFiles([kept]);
  await page.locator('#lock-screen').waitFor();
  await looksRight(page, 'open-locked');
  await unlock(page, PASSWORD);
  await page.locator('#contents-screen').waitFor();
  await looksRight(page, 'open-pieces-missing');
  await page.getByRole('button', { name: 'Download all' }).click();
  await page.getByRole('heading', { name: 'Received', exact: true }).waitFor();
  const proof = await page.locator('#received-proof').innerText();
  assert.match(proof, /unchanged/);
  assert.doesNotMatch(proof, /complete/);
  await page.close();
});

test('what cannot be opened, and links that are cut', async () => {
  const faults = [];
  const bare = await send(context, relay, [small], { password: null });
  const page = await receive(context, bare.link, { password: null });
  const keeping = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Keep encrypted' }).click();
  const kept = join(folder.path, 'bare.sealift');
  await (await keeping).saveAs(kept);
  await page.goto(`${relay.url}/open`);
  await page.locator('#pick-files').setInputFiles([small]);
  assert.match(await failure(page), /\(not_sealed\)$/);
  faults.push(...(await look(page, 'open-not-sealed')));
  await page.goto(`${relay.url}/open`);
  await page.locator('#pick-files').setInputFiles([kept]);
  await page.locator('#link-problem').waitFor();
  assert.match(await status(page), /\(link_needed\)$/);
  faults.push(...(await look(page, 'open-needs-link')));
  await page.locator('#link').fill(links.link);
  await page.getByRole('button', { name: 'Open with this link' }).click();
  await page.waitForFunction(() => document.querySelector('#status').innerText.endsWith('(wrong_link)'));
  faults.push(...(await look(page, 'open-another-link')));
  await page.locator('#link').fill(bare.link);
  await page.getByRole('button', { name: 'Open with this link' }).click();
  await page.locator('#contents-screen').waitFor();
  await page.goto('about:blank');
  await page.goto(bare.manageLink.slice(0, -4));
  assert.match(await failure(page), /\((cut_link|bad_link)\)$/);
  faults.push(...(await look(page, 'manage-cut-link')));
  await page.close();
  assert.deepEqual(faults, []);
});

test('without JavaScript a sentence says what is missing', async () => {
  const bare = await browser.profile({ javaScriptEnabled: false });
  const page = await bare.newPage();
  for (const path of ['/', '/open']) {
    await page.goto(relay.url + path);
    await page.getByText(/JavaScript/).first().waitFor();
  }
  await bare.close();
});

test('the keyboard alone changes a password, looks at the report and deletes', async () => {
  const { manageLink } = await send(context, relay, [small]);
  const page = await context.newPage();
  await page.goto(manageLink);
  await page.locator('#manage-access').waitFor();
  await tabTo(page, 'Change password');
  await page.keyboard.press('Enter');
  await page.locator('#change-screen').waitFor();
  await tabTo(page, 'Current password');
  await page.keyboard.type(PASSWORD);
  for (const field of ['New password', 'Repeat new password']) {
    await tabTo(page, field);
    await page.keyboard.type('another one, just as good');
  }
  await tabTo(page, 'Save changes');
  await page.keyboard.press('Enter');
  await page.locator('#manage-changed').waitFor();
  await tabTo(page, 'Protection report');
  await page.keyboard.press('Enter');
  await page.getByText('Sealed by').waitFor();
  await looksRight(page, 'manage-report');
  await tabTo(page, 'Delete package');
  await page.keyboard.press('Enter');
  await tabTo(page, 'Delete');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Deleted' }).waitFor();
  await page.close();
});

test('the keyboard alone seals for a key', async () => {
  const page = await openSend(context, relay, { transport: 'websocket' });
  await addFiles(page, [small]);
  await page.goto(`${relay.url}/open`);
  await tabTo(page, 'Be sent files without a password');
  await page.keyboard.press('Enter');
  await tabTo(page, 'Make a key');
  await page.keyboard.press('Enter');
  await page.locator('#made-key').waitFor();
  const key = await page.getByRole('textbox', { name: 'Public key' }).inputValue();
  await page.goto(relay.url);
  await addFiles(page, [small]);
  await tabTo(page, 'With a password');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await tabTo(page, 'Recipients');
  await page.keyboard.insertText(key);
  await page.locator('#recipient-list li').waitFor();
  await tabTo(page, 'Send');
  await page.keyboard.press('Enter');
  await sent(page);
  await page.close();
});
