// What links carry stays where it belongs (rules L4, L7).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { looksRight } from '../harness/look.mjs';
import { addFiles, describe, failure, openSend, percent, pressSend, receive, send, sent } from '../harness/portal.mjs';
import { program, Relay } from '../harness/relay.mjs';

const run = promisify(execFile);
let relay;
let browser;
let context;
let folder;
let small;
/** Every address that any page asked for, with what it said about where it came from. */
let asked;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  small = await folder.file('plan of the vault.txt', 10_000);
});
after(() => Promise.all([browser?.close(), relay?.stop(), folder?.remove()]));
async function fresh() {
  context = await browser.profile();
  asked = [];
  context.on('request', (request) => asked.push(request.url(), request.headers().referer ?? ''));
  return context;
}
afterEach(async () => {
  await context?.close();
  assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests');
});

/** That the secret part of a link stands in no address that was asked for. */
function assertNowhere(link) {
  const secret = new URL(link).hash.slice(1);
  assert.ok(secret.length > 20, link);
  for (const url of asked) assert.equal(url.includes(secret), false, `${url} has the secret part of a link`);
}

test('L4: the manage link comes with its warning, while it is sent, at the end, and on its own page', async () => {
  const page = await openSend(await fresh(), relay, { transport: 'websocket', lanes: 1 });
  await addFiles(page, [await folder.large('large.bin', 96)]);
  await describe(page);
  await pressSend(page);
  await percent(page, 1);
  const link = page.getByRole('textbox', { name: 'Manage link' });
  const warned = async () => {
    await page.locator('#manage summary').click();
    await link.waitFor();
    const about = await link.getAttribute('aria-describedby');
    const warning = page.locator(`#${about}`);
    assert.equal(await warning.isVisible(), true);
    assert.match(await warning.innerText(), /Never share this one\. Whoever has it has full power over the package: .*open.*change.*delete/s);
    return link.inputValue();
  };
  const early = await warned();
  const { manageLink } = await sent(page);
  assert.equal(await warned(), early);
  assert.equal(manageLink, early);
  await page.goto(manageLink);
  await page.getByText('Never share the link of this page.').waitFor();
});

test('L7: a send link leaves the address bar, and its grant stands in no address', async () => {
  const closed = await Relay.start('--open-uploads=false');
  try {
    const page = await (await fresh()).newPage();
    await page.goto(closed.url);
    assert.match(await failure(page), /\(grant_required\)$/);
    await looksRight(page, 'send-invitation');
    const { stdout } = await run(program('sealift-relay'), ['grant', '--data', join(closed.data, 'data'), '--url', closed.url]);
    const link = /https?:\/\/\S+/.exec(stdout)[0];
    await page.goto('about:blank');
    await page.goto(link);
    await page.getByRole('button', { name: 'Add files' }).waitFor();
    assert.equal(new URL(page.url()).hash, '');
    await addFiles(page, [small]);
    await describe(page);
    await pressSend(page);
    await sent(page);
    assert.ok(asked.some((url) => url.startsWith(`${closed.url}/api/`)), 'the requests were not seen');
    assertNowhere(link);
    await page.goBack();
    await page.goForward();
    await page.getByRole('button', { name: 'Add files' }).or(page.locator('#failure-screen')).first().waitFor();
    assert.equal(new URL(page.url()).hash, '', 'the history brings it back');
  } finally {
    await closed.stop();
  }
});

test('L7: the address that a service worker answers is random, used once, and says nothing', async () => {
  const { link } = await send(await fresh(), relay, [small], { transport: 'websocket', title: 'The vault' });
  const seen = [];
  for (let time = 0; time < 2; time += 1) {
    const page = await receive(context, link, { query: '?into=stream' });
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download plan of the vault.txt' }).click();
    seen.push((await downloading).url());
    await page.getByRole('heading', { name: 'Received', exact: true }).waitFor();
    assert.equal((await page.request.get(seen.at(-1))).status(), 404, 'the address still answers');
    const again = await page.evaluate((url) => fetch(url).then(({ status }) => status), seen.at(-1));
    assert.equal(again, 404, 'the address answers twice');
    await page.close();
  }
  for (const url of seen) assert.match(url, new RegExp(`^${relay.url}/streamed/[0-9a-f]{32}$`));
  assert.notEqual(seen[0], seen[1]);
  assertNowhere(link);
});

test('L7: no page tells another one where it was, or is kept', async () => {
  const { link, manageLink } = await send(await fresh(), relay, [small], { transport: 'websocket' });
  for (const url of [relay.url, link, manageLink, `${relay.url}/open`, `${relay.url}/no/such/page`]) {
    const page = await context.newPage();
    const response = await page.goto(url);
    const headers = response.headers();
    assert.equal(headers['referrer-policy'], 'no-referrer', url);
    assert.match(headers['cache-control'], /no-store/, url);
    assert.equal(headers['set-cookie'], undefined, url);
    assert.match(headers['content-security-policy'], /require-trusted-types-for 'script'/, url);
    assert.doesNotMatch(headers['content-security-policy'], /'unsafe-inline'|'unsafe-eval'/, url);
    await page.close();
  }
  assert.deepEqual(asked.filter((_, at) => at % 2 === 1 && asked[at] !== ''), [], 'a page said where it came from');
  assertNowhere(link);
  assertNowhere(manageLink);
  assert.deepEqual(await context.cookies(), []);
});
