// Who can open a package: people's keys, an identity file, and changing it afterwards.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { look, looksRight } from '../harness/look.mjs';
import { addFiles, openSend, pressSend, sent, status, unlock } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

const OWN = 'a password of my own';
const OTHER = 'quite another one';

let relay;
let browser;
let context;
let folder;
let source;
let identity;
let publicKey;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  context = await browser.profile();
  source = await folder.file('plans.txt', 300_000);
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop(), folder?.remove()]);
});
afterEach(() => assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests'));

/** Sends to the key, and with a password of one's own if there is one. */
async function sendToKey({ password } = {}) {
  const page = await openSend(context, relay, { transport: 'websocket' });
  await addFiles(page, [source]);
  await page.getByLabel('With people’s keys').check();
  await page.getByLabel('Recipients', { exact: true }).fill(publicKey);
  await page.locator('#recipient-list li').waitFor();
  if (password) {
    await page.getByLabel('Also a password of my own').check();
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByLabel('Repeat password').fill(password);
  }
  await looksRight(page, password ? 'send-keys-and-password' : 'send-keys');
  await pressSend(page);
  const links = await sent(page);
  await page.close();
  return links;
}

async function locked(link) {
  const page = await context.newPage();
  await page.goto(link);
  await page.locator('#lock-screen').waitFor();
  return page;
}

/** Whether a password opens a link. */
async function opens(link, password) {
  const page = await locked(link);
  await unlock(page, password);
  const opened = page.locator('#contents-screen').waitFor().then(() => true);
  const refused = page.locator('#lock-problem').waitFor().then(() => false);
  const verdict = await Promise.race([opened, refused]);
  opened.catch(() => {});
  refused.catch(() => {});
  await page.close();
  return verdict;
}

/** The form that changes who can open a package, with the current password entered. */
async function changing(manageLink, press, password) {
  const page = await context.newPage();
  await page.goto(manageLink);
  await page.getByRole('button', { name: press }).click();
  await page.locator('#change-screen').waitFor();
  if (password) await page.locator('#current-password').fill(password);
  return page;
}

async function newPassword(page, password) {
  await page.getByLabel('New password', { exact: true }).fill(password);
  await page.getByLabel('Repeat new password').fill(password);
}

async function save(page) {
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page.locator('#manage-changed').waitFor();
}

test('a key is made in the page, and its identity file is saved', async () => {
  const page = await context.newPage();
  await page.goto(`${relay.url}/open`);
  await page.locator('#own-key summary').click();
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Make a key' }).click();
  identity = join(folder.path, 'identity.txt');
  await (await saving).saveAs(identity);
  publicKey = await page.getByRole('textbox', { name: 'Public key' }).inputValue();
  assert.match(publicKey, /^sealift1[0-9a-z]{1900,}$/);
  assert.match(await page.locator('#own-fingerprint').innerText(), /^([0-9a-f]{4} ?){8}$/);
  assert.match(await readFile(identity, 'utf8'), /^SEALIFT-SECRET-KEY-1/m);
  await looksRight(page, 'open-key-made');
  await page.close();
});

test('a package sent to a key opens with its identity file, and with nothing else', async () => {
  const { link } = await sendToKey();
  const page = await locked(link);
  await looksRight(page, 'receive-identity');
  await page.locator('#pick-identity').setInputFiles([await folder.file('no identity.txt', 100)]);
  await page.locator('#lock-problem').waitFor();
  assert.match(await status(page), /\(bad_identity\)$/);
  await page.locator('#pick-identity').setInputFiles([identity]);
  await page.locator('#contents-screen').waitFor();
  await page.locator('#report summary').click();
  await page.getByText('Your secret key', { exact: true }).waitFor();
  await page.close();
});

test('L2: a link without its fragment opens only what keys alone open, and says that nothing proves who sealed it', async () => {
  const { link } = await sendToKey();
  const page = await locked(link.split('#')[0]);
  await page.locator('#pick-identity').setInputFiles([identity]);
  await page.locator('#contents-screen').waitFor();
  assert.match(await page.locator('#contents-proof').innerText(), /nothing proves who sealed it/);
  await page.close();
});

test('K3: without a password of one’s own nobody can change who opens a package', async () => {
  const { manageLink } = await sendToKey();
  const page = await context.newPage();
  await page.goto(manageLink);
  await page.locator('#manage-fixed').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Change password' }).isVisible(), false);
  await looksRight(page, 'manage-keys-only');
  await page.close();
});

test('the password of a stored package is changed, a key removed, and both undone', async () => {
  const faults = [];
  const { link, manageLink } = await sendToKey({ password: OWN });
  const page = await changing(manageLink, 'Change password');
  faults.push(...(await look(page, 'manage-change')));
  await page.locator('#current-password').fill('not the password');
  await newPassword(page, OTHER);
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page.locator('#current-problem').waitFor();
  assert.match(await status(page), /\(wrong_password\)$/);
  faults.push(...(await look(page, 'manage-wrong-password')));
  await page.locator('#current-password').fill(OWN);
  await page.getByLabel('Keep key 1 of 1').uncheck();
  await save(page);
  faults.push(...(await look(page, 'manage-changed')));
  assert.equal(await page.locator('#manage-slots li').count(), 1);
  assert.equal(await opens(link, OWN), false);
  assert.equal(await opens(link, OTHER), true);

  await page.getByRole('button', { name: 'Undo the last change' }).click();
  faults.push(...(await look(page, 'manage-undo')));
  await page.locator('#undo-password').fill(OTHER);
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  await page.getByText('Undone.').first().waitFor();
  assert.equal(await page.locator('#manage-slots li').count(), 2);
  assert.equal(await opens(link, OTHER), false);
  assert.equal(await opens(link, OWN), true);
  await page.close();
  assert.deepEqual(faults, []);
});

test('K2: of two changes at once the second is told that it was changed meanwhile, and changes nothing', async () => {
  const { link, manageLink } = await sendToKey({ password: OWN });
  const [first, second] = [await changing(manageLink, 'Add or remove keys', OWN), await changing(manageLink, 'Change password', OWN)];
  await first.getByLabel('Keep key 1 of 1').uncheck();
  await save(first);
  await newPassword(second, OTHER);
  await second.getByRole('button', { name: 'Save changes' }).click();
  await second.locator('#failure-screen').waitFor();
  assert.equal(await second.locator('#failure-code').innerText(), 'keyring_changed');
  await looksRight(second, 'manage-changed-meanwhile');
  assert.equal(await opens(link, OWN), true);
  await Promise.all([first.close(), second.close()]);
});

test('K2: a keyring older than this browser has seen is refused', async () => {
  const { link, manageLink } = await sendToKey({ password: OWN });
  const old = await (await fetch(`${relay.url}/api/packages/${new URL(link).pathname.split('/')[2]}/keyring`)).arrayBuffer();
  const page = await changing(manageLink, 'Change password', OWN);
  await newPassword(page, OTHER);
  await save(page);
  await page.close();
  const rolled = await context.newPage();
  await rolled.route('**/keyring', (route) => route.fulfill({ body: Buffer.from(old), contentType: 'application/octet-stream' }));
  await rolled.goto(link);
  await rolled.locator('#failure-screen').waitFor();
  assert.equal(await rolled.locator('#failure-code').innerText(), 'old_keyring');
  await looksRight(rolled, 'receive-old-keyring');
  const stored = await rolled.evaluate(() => JSON.stringify(localStorage));
  assert.doesNotMatch(stored, new RegExp(`${new URL(link).pathname.split('/')[2]}|SECRET`), 'the storage names the package or a secret');
  await rolled.close();
});

test('K2: undo brings back the keyring before, and no older one that the relay gives out for it', async () => {
  const { link, manageLink } = await sendToKey({ password: OWN });
  const id = new URL(link).pathname.split('/')[2];
  const first = await (await fetch(`${relay.url}/api/packages/${id}/keyring`)).arrayBuffer();
  const page = await changing(manageLink, 'Change password', OWN);
  await newPassword(page, OTHER);
  await save(page);
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.locator('#current-password').fill(OTHER);
  await newPassword(page, 'a third one, by mistake');
  await save(page);
  await page.route('**/keyring?generation=2', (route) => route.fulfill({ body: Buffer.from(first), contentType: 'application/octet-stream' }));
  await page.getByRole('button', { name: 'Undo the last change' }).click();
  await page.locator('#undo-password').fill('a third one, by mistake');
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  await page.locator('#failure-screen').waitFor();
  assert.equal(await page.locator('#failure-code').innerText(), 'old_keyring');
  assert.equal(await opens(link, OWN), false, 'the password from before the change before opens it again');
  await page.close();
});

test('K2: what an identity opens says nothing about which keyring is the newest; what a password opens does', async () => {
  const { link, manageLink } = await sendToKey({ password: OWN });
  const page = await changing(manageLink, 'Change password', OWN);
  await newPassword(page, OTHER);
  await save(page);
  await page.close();
  const elsewhere = await browser.profile();
  const seen = await elsewhere.newPage();
  const remembered = () => seen.evaluate(() => Object.values(JSON.parse(localStorage.getItem('sealift-keyrings') ?? '{}')));
  await seen.goto(link);
  await seen.locator('#lock-screen').waitFor();
  await seen.locator('#pick-identity').setInputFiles([identity]);
  await seen.locator('#contents-screen').waitFor();
  assert.deepEqual(await remembered(), []);
  await seen.goto('about:blank');
  await seen.goto(link);
  await unlock(seen, OTHER);
  await seen.locator('#contents-screen').waitFor();
  assert.deepEqual(await remembered(), [2]);
  await elsewhere.close();
});

test('a package that its link opened gets a password, and its link alone no longer opens it', async () => {
  const page = await openSend(context, relay, { transport: 'websocket' });
  await addFiles(page, [source]);
  await page.getByLabel('No password').check();
  await pressSend(page);
  const { link, manageLink } = await sent(page);
  await page.close();
  const change = await changing(manageLink, 'Change password');
  await looksRight(change, 'manage-change-by-link');
  await newPassword(change, OTHER);
  await save(change);
  assert.equal(await opens(link, OTHER), true);
  await change.close();
});
