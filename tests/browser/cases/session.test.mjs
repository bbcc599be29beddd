// One upload, two clients: who has it goes on, the other one stops and says so (rule L5).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { looksRight } from '../harness/look.mjs';
import { addFiles, describe, downloadAll, failure, openSend, percent, pressSend, receive, sent } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';
import { helloOfAnother, sayHello, Wire } from '../harness/wire.mjs';

/** Numbers of the relay's messages. */
const WELCOME = 0;
const SUPERSEDED = 11;

let relay;
let wire;
let browser;
let context;
let folder;
let other;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
  [wire, context] = await Promise.all([Wire.to(relay.port), browser.profile()]);
  other = await context.newPage();
  await other.goto(`${relay.url}/open`);
});
after(async () => {
  wire?.close();
  await Promise.all([browser?.close(), relay?.stop(), folder?.remove()]);
});
afterEach(() => assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests'));

/** The Send page behind the wire, about to send. */
async function ready(path) {
  const page = await openSend(context, wire, { transport: 'websocket', lanes: 1 });
  await addFiles(page, [path]);
  await describe(page);
  return page;
}

test('L5: an upload that another client has waits for a person, who can go on here; the other one hears of it', async () => {
  const path = await folder.large('wanted by two.bin', 24);
  const page = await ready(path);
  wire.onHello = async (hello) => {
    wire.onHello = async () => {};
    const answers = await other.evaluate(sayHello, [...helloOfAnother(hello, { takeover: false })]);
    assert.deepEqual(answers, [WELCOME]);
  };
  await pressSend(page);
  await page.getByRole('button', { name: 'Go on here' }).waitFor();
  await page.waitForTimeout(2_000);
  assert.equal(await page.getByRole('button', { name: 'Go on here' }).isVisible(), true, 'it went on without a person');
  assert.deepEqual(await other.evaluate(() => globalThis.answers), [WELCOME], 'the other one was sent away without a person');
  await looksRight(page, 'send-busy');
  await page.getByRole('button', { name: 'Go on here' }).click();
  const { link } = await sent(page);
  await other.waitForFunction((number) => globalThis.answers.includes(number), SUPERSEDED);
  await page.close();
  const received = await receive(context, link);
  await downloadAll(received);
  assert.deepEqual((await saved(received))['wanted by two.bin'], (await tree(folder.path))['wanted by two.bin']);
});

test('L5: an upload that another client takes over stops here, and the page says so', async () => {
  const page = await ready(await folder.large('taken.bin', 400));
  let hello;
  wire.onHello = async (said) => void (hello = said);
  await pressSend(page);
  await percent(page, 2);
  const answers = await other.evaluate(sayHello, [...helloOfAnother(hello, { takeover: true })]);
  assert.deepEqual(answers, [WELCOME]);
  assert.match(await failure(page), /\(superseded\)$/);
  await page.waitForTimeout(1_500);
  assert.deepEqual(await other.evaluate(() => globalThis.answers), [WELCOME], 'the page came back');
  await looksRight(page, 'send-superseded');
});
