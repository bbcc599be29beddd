// The page answers at any time: none of our scripts keeps the main thread for long, with thousands of files, while a key
// is made, while sending and while receiving.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { addFolder, describe, downloadAll, openSend, PASSWORD, pressSend, sent, unlock } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

/** What a person notices, as processor time of one entry into our code: a loaded machine makes it later, not longer. */
const TASK_MS_MAX = 50;
const CATEGORIES = ['devtools.timeline', 'v8', '__metadata', 'disabled-by-default-devtools.timeline'];
/** How the browser enters a script, and what it does with what scripts have changed. */
const ENTRIES = new Set(['UpdateLayoutTree', 'Layout', 'PrePaint', 'Paint', 'ParseHTML', 'EvaluateScript', 'v8.evaluateModule', 'FunctionCall', 'EventDispatch', 'TimerFire', 'RunMicrotasks', 'FireAnimationFrame', 'v8.run']);

let relay;
let browser;
let folder;

before(async () => {
  [relay, browser, folder] = await Promise.all([Relay.start(), Browser.start(), Folder.make()]);
});
after(() => Promise.all([browser?.close(), relay?.stop(), folder?.remove()]));

/** The longest pieces of work of ours on the pages' main threads, as `[milliseconds of processor time, what, where]`. */
async function longest(page, act) {
  await browser.process.startTracing(page, { categories: CATEGORIES });
  let trace;
  try {
    await act();
  } finally {
    trace = JSON.parse((await browser.process.stopTracing()).toString()).traceEvents;
  }
  const main = new Set(trace.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(({ pid, tid }) => `${pid}/${tid}`));
  const found = [];
  const byThread = new Map();
  for (const event of trace) {
    const thread = `${event.pid}/${event.tid}`;
    if (event.ph !== 'X' || event.tdur === undefined || !main.has(thread) || !ENTRIES.has(event.name)) continue;
    byThread.set(thread, [...(byThread.get(thread) ?? []), event]);
  }
  for (const events of byThread.values()) {
    let end = -Infinity;
    for (const event of events.sort((a, b) => a.ts - b.ts || b.dur - a.dur)) {
      if (event.ts < end) continue; // inside another one, which has its time
      end = event.ts + event.dur;
      found.push([event.tdur / 1000, event.name, event.args?.data?.url ?? event.args?.data?.type ?? '']);
    }
  }
  return found.sort((a, b) => b[0] - a[0]);
}

function assertShort(found, doing) {
  assert.ok(found.length > 20, `the trace shows nothing of the page while ${doing}`);
  assert.deepEqual(found.filter(([ms]) => ms > TASK_MS_MAX), [], `the main thread was kept while ${doing}`);
}

test('no script keeps the main thread for 50 ms of processor time', async () => {
  for (let number = 0; number < 2_000; number += 1) await folder.file(`many/${number % 20}/${number}.txt`, `file ${number}\n`);
  await folder.large('many/film.bin', 96);
  const context = await browser.profile();
  const page = await openSend(context, relay);
  const adding = await longest(page, async () => {
    await addFolder(page, join(folder.path, 'many'));
    await page.getByText('2,001 files').first().waitFor();
    await page.locator('#files-tree button').first().click();
  });
  assertShort(adding, 'adding 2,001 files');
  let link;
  const sending = await longest(page, async () => {
    await describe(page);
    await page.getByRole('button', { name: 'Generate' }).click();
    await page.getByRole('button', { name: 'Copy password' }).waitFor();
    await describe(page); // typed over it
    await pressSend(page);
    ({ link } = await sent(page));
  });
  assertShort(sending, 'sending');
  const open = await context.newPage();
  const receiving = await longest(open, async () => {
    await open.goto(link);
    await unlock(open, PASSWORD);
    await open.locator('#contents-screen').waitFor();
    await open.getByRole('button', { name: 'Select all' }).click();
    await downloadAll(open);
  });
  assertShort(receiving, 'receiving');
});

test('the measure sees a script that does keep it', async () => {
  const page = await openSend(await browser.profile(), relay);
  const found = await longest(page, async () => {
    await page.evaluate(() => setTimeout(() => {
      for (let sum = 0, start = performance.now(); performance.now() - start < 1_000; ) sum += Math.sqrt(sum + 1);
      document.title = 'done';
    }));
    await page.waitForFunction(() => document.title === 'done');
  });
  assert.ok(found[0][0] > TASK_MS_MAX, `${found[0]}`);
});
