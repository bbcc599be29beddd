// Every page in every state: pictures, axe-core, 360 px, and the keyboard alone.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { addFolder, describe, downloadAll, failure, openSend, percent, pressSend, receive, sent, unlock } from '../harness/portal.mjs';
import { look, tabTo } from '../harness/look.mjs';
import { Relay } from '../harness/relay.mjs';

let relay;
let browser;
let context;
let folder;
let links;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  context = await browser.profile();
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop(), folder?.remove()]);
});

test('the Send page, from empty to sent', async () => {
  const faults = [];
  await folder.file('trip/photos/harbour at dawn.jpg', 900_000);
  await folder.file('trip/photos/crew.jpg', 450_000);
  await folder.file('trip/route.gpx', 12_000);
  await folder.large('trip/the whole film.mov', 128);
  const page = await openSend(context, relay, { lanes: 1 });
  faults.push(...(await look(page, 'send-empty')));
  await addFolder(page, join(folder.path, 'trip'));
  faults.push(...(await look(page, 'send-files')));
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  faults.push(...(await look(page, 'send-password-missing')));
  await describe(page, { title: 'The trip to Heligoland', note: 'All of it, as promised.\nSee you on Friday!' });
  faults.push(...(await look(page, 'send-ready')));
  await pressSend(page);
  await percent(page, 3);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  faults.push(...(await look(page, 'send-paused')));
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.waitForTimeout(300);
  if (await page.locator('#progress-screen').isVisible()) faults.push(...(await look(page, 'send-sending')));
  links = await sent(page);
  faults.push(...(await look(page, 'send-sent')));
  await page.getByRole('button', { name: 'Show QR code' }).click();
  faults.push(...(await look(page, 'send-sent-qr')));
  assert.deepEqual(faults, []);
});

test('the Receive page, from the password to received', async () => {
  const faults = [];
  const page = await context.newPage();
  await page.goto(links.link);
  await page.locator('#lock-screen').waitFor();
  faults.push(...(await look(page, 'receive-locked')));
  await unlock(page, 'not the password');
  await page.locator('#lock-problem').waitFor();
  faults.push(...(await look(page, 'receive-wrong-password')));
  await page.close();
  const open = await receive(context, links.link);
  faults.push(...(await look(open, 'receive-contents')));
  await downloadAll(open);
  faults.push(...(await look(open, 'receive-received')));
  assert.deepEqual(faults, []);
});

test('the other pages, and what went wrong', async () => {
  const faults = [];
  const states = [
    ['open', '/open', '#choose-screen'],
    ['unknown-page', '/no/such/page', 'h1'],
    ['receive-unknown', `/p/AAAAAAAAAAAAAAAAAAAAAA${new URL(links.link).hash}`, '#failure-screen'],
    ['receive-cut-link', new URL(links.link).pathname, '#failure-screen'],
  ];
  for (const [name, path, element] of states) {
    const page = await context.newPage();
    await page.goto(relay.url + path);
    await page.locator(element).waitFor();
    faults.push(...(await look(page, name)));
    await page.close();
  }
  const manage = await context.newPage();
  await manage.goto(links.manageLink);
  await manage.getByRole('button', { name: 'Delete package' }).waitFor();
  faults.push(...(await look(manage, 'manage')));
  await manage.getByRole('button', { name: 'Delete package' }).click();
  faults.push(...(await look(manage, 'manage-confirm')));
  await manage.getByRole('button', { name: 'Delete', exact: true }).click();
  await manage.getByRole('heading', { name: 'Deleted' }).waitFor();
  faults.push(...(await look(manage, 'manage-deleted')));
  const closed = await browser.profile();
  await closed.addInitScript(() => Reflect.deleteProperty(globalThis, 'WebAssembly'));
  const page = await closed.newPage();
  await page.goto(relay.url);
  await failure(page);
  faults.push(...(await look(page, 'send-cannot-seal')));
  assert.deepEqual(faults, []);
});

test('the keyboard alone sends and receives', async () => {
  const page = await openSend(context, relay);
  const choosing = page.waitForEvent('filechooser');
  await tabTo(page, 'Add files');
  await page.keyboard.press('Enter');
  await (await choosing).setFiles([await folder.file('by keyboard.txt', 'typed')]);
  await tabTo(page, 'Password');
  await page.keyboard.type('correct horse battery staple');
  await tabTo(page, 'Repeat password');
  await page.keyboard.type('correct horse battery staple');
  await page.keyboard.press('Enter');
  const { link } = await sent(page);
  await tabTo(page, 'Copy link');
  const open = await context.newPage();
  await open.goto(link);
  await open.locator('#lock-screen').waitFor();
  await tabTo(open, 'Password');
  await open.keyboard.type('correct horse battery staple');
  await open.keyboard.press('Enter');
  await open.locator('#contents-screen').waitFor();
  await tabTo(open, 'Download by keyboard.txt');
  await open.keyboard.press('Enter');
  await open.getByRole('heading', { name: 'Received', exact: true }).waitFor();
});
