// What a person does on the pages, by the names a person sees.
import assert from 'node:assert/strict';

export const PASSWORD = 'correct horse battery staple';

/** Opens the Send page. `transport` restricts how the bytes travel; `lanes` how many at once. */
export async function openSend(context, relay, { transport, lanes } = {}) {
  const page = await context.newPage();
  const query = new URLSearchParams();
  if (transport) query.set('transports', transport);
  if (lanes) query.set('lanes', lanes);
  await page.goto(`${relay.url}/?${query}`);
  await page.getByRole('button', { name: 'Add files' }).waitFor();
  return page;
}

export async function addFiles(page, paths) {
  await page.locator('#pick-files').setInputFiles(paths);
}

export async function addFolder(page, path) {
  await page.locator('#pick-folder').setInputFiles(path);
}

/** Fills the form; without a password the link alone opens the package. */
export async function describe(page, { password = PASSWORD, title = '', note = '' } = {}) {
  if (title) await page.getByLabel('Title').fill(title);
  if (note) await page.getByLabel('Note', { exact: true }).fill(note);
  if (password === null) {
    await page.getByLabel('No password').check();
  } else {
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByLabel('Repeat password').fill(password);
  }
}

export async function pressSend(page) {
  await page.getByRole('button', { name: 'Send', exact: true }).click();
}

/** Waits for the end and returns the links. A failure is thrown with the page's own words. */
export async function sent(page, timeout = 120_000) {
  await Promise.race([
    page.getByRole('heading', { name: 'Sent', exact: true }).waitFor({ timeout }),
    failure(page, timeout).then((words) => Promise.reject(new Error(words))),
  ]);
  return { link: await page.locator('#link').inputValue(), manageLink: await page.locator('#manage-link').inputValue() };
}

/** Waits for the failure screen and returns its sentence and code. */
export async function failure(page, timeout = 60_000) {
  await page.locator('#failure-screen').waitFor({ timeout });
  return `${await page.locator('#failure-sentence').innerText()} (${await page.locator('#failure-code').innerText()})`;
}

/** From the first file to the links. */
export async function send(context, relay, paths, { transport, lanes, timeout, ...described } = {}) {
  const page = await openSend(context, relay, { transport, lanes });
  await addFiles(page, paths);
  await describe(page, described);
  await pressSend(page);
  const links = await sent(page, timeout);
  await page.close();
  return links;
}

/** Opens a link up to the list of files. */
export async function receive(context, link, { password = PASSWORD, query = '' } = {}) {
  const page = await context.newPage();
  const url = new URL(link);
  url.search = query;
  await page.goto(url.href);
  if (password !== null) await unlock(page, password);
  await Promise.race([
    page.locator('#contents-screen').waitFor({ timeout: 60_000 }),
    failure(page).then((words) => Promise.reject(new Error(words))),
  ]);
  return page;
}

export async function unlock(page, password) {
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

export async function downloadAll(page, timeout = 120_000) {
  await page.getByRole('button', { name: 'Download all' }).click();
  await received(page, timeout);
}

export async function received(page, timeout = 120_000) {
  await Promise.race([
    page.getByRole('heading', { name: 'Received', exact: true }).waitFor({ timeout }),
    failure(page, timeout).then((words) => Promise.reject(new Error(words))),
  ]);
}

/** What screen readers were told last. */
export function status(page) {
  return page.locator('#status').innerText();
}

/** Waits until the progress shows at least so many percent. */
export async function percent(page, least, timeout = 60_000) {
  await page.waitForFunction((least) => Number(document.querySelector('#progress-percent')?.textContent) >= least, least, { timeout });
}

/** A page that never shows less progress than before. */
export async function progressNeverGoesBack(page) {
  await page.evaluate(() => {
    const bar = document.querySelector('#progress-bar');
    let most = 0;
    globalThis.wentBack = 0;
    const look = () => {
      if (!document.querySelector('#progress-screen').hidden) {
        if (bar.value < most) globalThis.wentBack += 1;
        most = Math.max(most, bar.value);
      }
      requestAnimationFrame(look);
    };
    look();
  });
  return async () => assert.equal(await page.evaluate(() => globalThis.wentBack), 0, 'the progress went back');
}
