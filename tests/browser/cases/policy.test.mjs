// What a relay asks of content protection and of client versions, as a person meets it.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { StaleCache } from '../harness/cache.mjs';
import { Browser } from '../harness/chromium.mjs';
import { Folder } from '../harness/files.mjs';
import { looksRight } from '../harness/look.mjs';
import { addFiles, describe, failure, openSend, percent, pressSend, receive, sent, status } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

const STRONG = 'tundra velvet harbour quartz';

let browser;
let context;
let folder;
let small;

before(async () => {
  [browser, folder] = await Promise.all([Browser.start(), Folder.make()]);
  context = await browser.profile();
  small = await folder.file('small.txt', 10_000);
});
after(async () => {
  await Promise.all([browser?.close(), folder?.remove()]);
});
afterEach(() => assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests'));

/** A relay with this configuration, which can be changed while it runs. */
async function configured(settings) {
  const file = join(folder.path, `${Math.random().toString(36).slice(2)}.toml`);
  await writeFile(file, settings);
  const relay = await Relay.start('--config', file);
  relay.configure = async (changed) => {
    await writeFile(file, changed);
    relay.process.kill('SIGHUP');
  };
  return relay;
}

/** The Send page with files, after it has heard the policy. */
async function ready(relay, files, options) {
  const send = await openSend(context, relay, options);
  await send.waitForLoadState('networkidle');
  await addFiles(send, files);
  return send;
}

test('required: no way without a password; a weak one is refused before anything is sent', async () => {
  const relay = await configured('protection = "required"\nstrong_password_required = true\n');
  try {
    const page = await ready(relay, [small]);
    assert.equal(await page.getByLabel('No password').isVisible(), false);
    let created = false;
    page.on('websocket', () => (created = true));
    await describe(page, { password: 'password1' });
    await pressSend(page);
    await page.locator('#password-problem').waitFor();
    assert.match(await status(page), /^Server requires stronger content protection passphrase\..*\(weak_password\)$/);
    assert.equal(created, false, 'something was sent');
    await looksRight(page, 'send-weak-password');
    await describe(page, { password: STRONG });
    await pressSend(page);
    const { link } = await sent(page);
    const open = await receive(context, link, { password: STRONG });
    await open.locator('#report summary').click();
    await open.getByText('web/', { exact: false }).first().waitFor();
    const said = await open.locator('#report-said').innerText();
    assert.match(said, /Sealed by\s+web\/\d+\.\d+\.\d+/);
    assert.match(said, /Stored in\s+\S+/);
    const checked = await open.locator('#report-checked').innerText();
    assert.match(checked, /Opened by\s+Your password/);
    assert.match(checked, /Argon2id: each guess costs 64 MiB, 3 times over/);
    await looksRight(open, 'receive-report');
  } finally {
    await relay.stop();
  }
});

test('off: the password is not offered, and what is sent is sealed all the same', async () => {
  const relay = await configured('protection = "off"\n');
  try {
    const page = await ready(relay, [small]);
    assert.equal(await page.getByLabel('With a password').isVisible(), false);
    await looksRight(page, 'send-off');
    await pressSend(page);
    const { link } = await sent(page);
    await (await receive(context, link, { password: null })).close();
  } finally {
    await relay.stop();
  }
});

test('the policy changes while a file is sent: the upload ends and says why, and the form asks for a password', async () => {
  const relay = await configured('protection = "optional"\n');
  try {
    const large = await folder.large('large.bin', 800);
    const page = await ready(relay, [large], { transport: 'websocket', lanes: 1 });
    await describe(page, { password: null });
    await pressSend(page);
    await percent(page, 1);
    await page.locator('#manage').waitFor(); // L4: the manage link is there while it is sent
    await relay.configure('protection = "required"\n');
    assert.match(await failure(page), /content protection.*\(password_required\)$/);
    await looksRight(page, 'send-policy-changed');
    await page.getByRole('button', { name: 'Back to the files' }).click();
    await page.getByLabel('No password').waitFor({ state: 'hidden' });
    assert.equal(await page.getByLabel('With a password').isChecked(), true);
  } finally {
    await relay.stop();
  }
});

test('a page that is too old says so, and Reload gets the new one; one that soon will be shows a sentence', async () => {
  const relay = await configured('client_version_min = "99.0.0"\n');
  try {
    const page = await context.newPage();
    await page.goto(relay.url);
    assert.match(await failure(page), /\(client_too_old\)$/);
    await looksRight(page, 'client-too-old');
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.getByText('still the old version').waitFor();
    assert.doesNotMatch(page.url(), /fresh/);
    await relay.configure('client_version_warn_below = "99.0.0"\n');
    const warned = await context.newPage();
    for (let tries = 0; tries < 50; tries++) {
      await warned.goto(relay.url);
      await warned.locator('#compose-screen, #failure-screen').first().waitFor();
      if (await warned.locator('#compose-screen').isVisible()) break;
      await warned.waitForTimeout(200);
    }
    await warned.locator('.outdated').waitFor();
    await looksRight(warned, 'client-outdated');
  } finally {
    await relay.stop();
  }
});

test('an older page that caches kept is refused, and Reload gets the new one past them', async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../../web/package.json'), 'utf8'));
  const relay = await configured(`client_version_min = "${version}"\n`);
  const cache = await StaleCache.before(relay, '0.0.9');
  const own = await browser.profile();
  try {
    const page = await own.newPage();
    await page.goto(cache.url);
    assert.match(await failure(page), /\(client_too_old\)$/);
    await page.goto('about:blank');
    await page.goto(cache.url); // the browser's own cache has it now, too
    assert.match(await failure(page), /\(client_too_old\)$/);
    assert.deepEqual(cache.passed, []);
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.locator('#compose-screen').waitFor();
    assert.ok(cache.passed.length > 0, 'nothing was asked of the relay');
    assert.doesNotMatch(page.url(), /fresh/);
    await addFiles(page, [small]);
    await describe(page);
    assert.equal(await page.locator('#failure-screen').isVisible(), false);
    const again = await own.newPage();
    await again.goto(cache.url);
    await again.locator('#compose-screen').waitFor();
  } finally {
    await own.close();
    cache.close();
    await relay.stop();
  }
});
