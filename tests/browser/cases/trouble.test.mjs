// What goes wrong on the way is said in words, and nothing wrong is handed over as finished.
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { looksRight } from '../harness/look.mjs';
import { addFiles, describe, downloadAll, failure, openSend, percent, pressSend, progressNeverGoesBack, receive, send, sent, status, unlock } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';
import { UdpLink } from '../harness/udp.mjs';

let relay;
let browser;
let context;
let folder;

before(async () => {
  [relay, browser] = await Promise.all([Relay.start(), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop()]);
});
async function fresh() {
  [context, folder] = await Promise.all([browser.profile(), Folder.make()]);
  return context;
}
afterEach(async () => {
  await Promise.all([context?.close(), folder?.remove()]);
  assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests');
});

test('a wrong password asks again, and the right one opens', async () => {
  await fresh();
  const { link } = await send(context, relay, [await folder.file('a.txt', 'a')]);
  const page = await context.newPage();
  await page.goto(link);
  await unlock(page, 'not the password');
  await page.locator('#lock-problem').waitFor();
  assert.match(await page.locator('#lock-problem').innerText(), /password/i);
  await unlock(page, 'correct horse battery staple');
  await page.locator('#contents-screen').waitFor();
});

test('a cut link is recognised before anything is asked', async () => {
  await fresh();
  const { link } = await send(context, relay, [await folder.file('a.txt', 'a')], { password: null });
  const codes = [];
  for (const cut of [link.slice(0, -1), link.slice(0, -20), link.split('#')[0]]) {
    const page = await context.newPage();
    await page.goto(cut);
    codes.push(await failure(page));
    await page.close();
  }
  for (const words of codes) assert.match(words, /\((cut_link|bad_link)\)$/);
});

test('L7: the secret part of a link leaves the address bar', async () => {
  await fresh();
  const { link } = await send(context, relay, [await folder.file('a.txt', 'a')]);
  const page = await receive(context, link);
  assert.equal(new URL(page.url()).hash, '');
});

test('L7: the owner token leaves the address bar of the manage page', async () => {
  await fresh();
  const { manageLink } = await send(context, relay, [await folder.file('a.txt', 'a')]);
  const page = await context.newPage();
  await page.goto(manageLink);
  await page.getByRole('button', { name: 'Delete package' }).waitFor();
  assert.equal(new URL(page.url()).hash, '');
});

for (const transport of ['websocket', 'webtransport']) {
  test(`a page that was frozen goes on by itself, over ${transport}`, async () => {
    await fresh();
    const path = await folder.large('frozen.bin', 128);
    const page = await openSend(context, relay, { transport });
    await addFiles(page, [path]);
    await describe(page);
    const steady = await progressNeverGoesBack(page);
    await pressSend(page);
    await percent(page, 10);
    const lifecycle = await context.newCDPSession(page);
    await lifecycle.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await lifecycle.send('Page.setWebLifecycleState', { state: 'active' });
    const { link } = await sent(page, 180_000);
    await steady();
    const received = await receive(context, link);
    await downloadAll(received);
    assert.deepEqual(await saved(received), await tree(folder.path));
  });
}

test('a damaged file is told apart from a wrong password, and is not handed over', async () => {
  await fresh();
  const { link } = await send(context, relay, [await folder.file('good.bin', 2_000_000)]);
  const stored = await largest(join(relay.data, 'data/docroot', new URL(link).pathname.split('/').at(-1)));
  const bytes = await readFile(stored);
  bytes[Math.floor(bytes.length / 2)] ^= 1;
  await writeFile(stored, bytes);
  const page = await receive(context, link);
  await page.getByRole('button', { name: 'Download all' }).click();
  assert.match(await failure(page), /\(damaged\w*\)$/);
  await looksRight(page, 'receive-damaged');
  assert.equal((await saved(page))['good.bin'], undefined, 'a damaged file stands there under its own name');
});

test('an unknown package and a deleted one say so', async () => {
  await fresh();
  const { link, manageLink } = await send(context, relay, [await folder.file('a.txt', 'a')]);
  const manage = await context.newPage();
  await manage.goto(manageLink);
  await manage.getByRole('button', { name: 'Delete package' }).click();
  await manage.getByRole('button', { name: 'Delete', exact: true }).click();
  await manage.getByRole('heading', { name: 'Deleted' }).waitFor();
  const page = await context.newPage();
  await page.goto(link);
  assert.match(await failure(page), /\((not_found|unknown_package|deleted|expired|gone)\)$/);
});

test('a file that changes while it is sent is reported, not stored', async () => {
  await fresh();
  const path = await folder.large('changing.bin', 128);
  const page = await openSend(context, relay, { transport: 'websocket', lanes: 1 });
  await addFiles(page, [path]);
  await describe(page);
  await pressSend(page);
  await percent(page, 10);
  await writeFile(path, 'something else', { flag: 'r+' });
  assert.match(await failure(page), /\((file_changed|source_changed|source_unreadable)\)$/);
  await looksRight(page, 'send-file-changed');
});

test('pause, resume and cancel do what they say', async () => {
  await fresh();
  const path = await folder.large('paused.bin', 96);
  const page = await openSend(context, relay, { lanes: 1 });
  await addFiles(page, [path]);
  await describe(page);
  await pressSend(page);
  await percent(page, 5);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('heading', { name: 'Paused' }).waitFor();
  const before = await page.locator('#progress-percent').innerText();
  await page.waitForTimeout(1_500);
  assert.ok(Number(await page.locator('#progress-percent').innerText()) <= Number(before) + 20, 'it went on while paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await percent(page, Number(before));
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled.').first().waitFor();
  await looksRight(page, 'send-cancelled');
});

test('the relay is killed and started again, and the open page goes on by itself', async () => {
  await fresh();
  const path = await folder.large('survivor.bin', 160);
  const page = await openSend(context, relay);
  await addFiles(page, [path]);
  await describe(page);
  const steady = await progressNeverGoesBack(page);
  await pressSend(page);
  for (const at of [10, 40]) {
    await percent(page, at);
    await relay.kill();
    await page.waitForTimeout(500);
    await relay.restart();
  }
  const { link } = await sent(page, 180_000);
  await steady();
  const received = await receive(context, link);
  await downloadAll(received);
  assert.deepEqual(await saved(received), await tree(folder.path));
});

test('UDP is cut in mid-file: the page goes on over WebSocket and says so', async () => {
  await fresh();
  const first = await Relay.start();
  const udp = await UdpLink.to(first.port);
  await first.kill();
  first.more = ['--webtransport-public-port', String(udp.port)];
  await first.restart();
  try {
    const path = await folder.large('rerouted.bin', 192);
    const page = await openSend(context, first);
    await addFiles(page, [path]);
    await describe(page);
    const steady = await progressNeverGoesBack(page);
    await pressSend(page);
    await page.getByText('Connected over WebTransport').waitFor();
    await percent(page, 8);
    assert.ok(udp.packets > 1_000, 'the bytes did not pass through the link that is cut');
    udp.cut = true;
    await page.getByText('It goes on over WebSocket').first().waitFor({ timeout: 60_000 });
    const { link } = await sent(page, 180_000);
    await steady();
    const received = await receive(context, link);
    await downloadAll(received);
    assert.deepEqual(await saved(received), await tree(folder.path));
  } finally {
    udp.close();
    await first.stop();
  }
});

test('a page without the means to seal sends nothing and says why', async () => {
  await fresh();
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'WebAssembly'));
  const page = await context.newPage();
  await page.goto(relay.url);
  assert.match(await failure(page), /\(environment_unsupported\)$/);
  assert.notEqual(await status(page), '');
});


/** The largest file below a folder. */
async function largest(root) {
  let found = { size: -1 };
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const { size } = await stat(path);
    if (size > found.size) found = { path, size };
  }
  return found.path;
}
