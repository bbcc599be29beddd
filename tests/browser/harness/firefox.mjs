// A real Firefox, with the few words of Playwright's that `portal.mjs` uses, so that what a person does on the pages is
// written once for both browsers. (Playwright drives only a Firefox of its own make.)
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Marionette } from './marionette.mjs';

const PATIENCE_MS = 60_000;
/** What WebDriver calls a reference to an element. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

export class Firefox {
  /** Everything that must stay empty: policy violations, errors nobody caught. Complete once the browser is closed. */
  faults = [];
  #pages = [];
  #turn = Promise.resolve();

  static async start() {
    const firefox = new Firefox();
    firefox.folder = await mkdtemp(join(tmpdir(), 'sealift-firefox-'));
    firefox.downloads = join(firefox.folder, 'downloads');
    const profile = join(firefox.folder, 'profile');
    await Promise.all([mkdir(firefox.downloads), mkdir(profile)]);
    firefox.marionette = await Marionette.start(process.env.FIREFOX, profile, {
      'browser.download.folderList': 2,
      'browser.download.dir': firefox.downloads,
      'browser.download.useDownloadDir': true,
      'browser.download.always_ask_before_handling_new_types': false,
    });
    firefox.first = (await firefox.marionette.send('WebDriver:GetWindowHandle')).value;
    return firefox;
  }

  /** One profile for each browser; pages are its tabs. */
  async profile() {
    return { newPage: () => this.#newPage() };
  }

  async #newPage() {
    const { handle } = await this.#inTab(this.first, () => this.marionette.send('WebDriver:NewWindow', { type: 'tab', focus: true }));
    const page = new Page(handle, (commands) => this.#inTab(handle, commands));
    this.#pages.push(page);
    return page;
  }

  /** Commands go to the tab in front: one at a time. */
  #inTab(handle, commands) {
    const done = this.#turn.then(async () => {
      await this.marionette.send('WebDriver:SwitchToWindow', { handle, focus: true });
      return commands(this.marionette);
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Waits until that many files have been downloaded whole, and returns the bytes of each by its name. */
  async downloaded(count) {
    for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await pause(100)) {
      const names = await readdir(this.downloads);
      if (names.length < count || names.some((name) => name.endsWith('.part'))) continue;
      const files = await Promise.all(names.map(async (name) => [name, await readFile(join(this.downloads, name))]));
      if (files.every(([, bytes]) => bytes.length > 0)) return Object.fromEntries(files);
    }
    throw new Error(`no ${count} downloads within ${PATIENCE_MS} ms: ${await readdir(this.downloads)}`);
  }

  async close() {
    for (const page of this.#pages) this.faults.push(...(await page.faults()));
    await this.marionette.quit();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  closed = false;
  #faults = [];

  constructor(handle, inTab) {
    this.handle = handle;
    this.inTab = inTab;
  }

  async goto(url) {
    await this.#keepFaults();
    await this.inTab((marionette) => marionette.send('WebDriver:Navigate', { url }));
    await this.evaluate(watch);
  }

  async reload() {
    await this.goto(await this.url());
  }

  async url() {
    return (await this.inTab((marionette) => marionette.send('WebDriver:GetCurrentURL'))).value;
  }

  async close() {
    await this.#keepFaults();
    this.closed = true;
    await this.inTab((marionette) => marionette.send('WebDriver:CloseWindow'));
  }

  /** What went wrong in the page so far. */
  async faults() {
    if (!this.closed) await this.#keepFaults();
    return this.#faults;
  }

  async #keepFaults() {
    this.#faults.push(...(await this.evaluate(() => globalThis.faults?.splice(0) ?? [])));
  }

  async evaluate(what, ...values) {
    const script = typeof what === 'string' ? `return (${what})` : `return (${what})(...arguments)`;
    const call = { script, args: values, sandbox: 'tests', newSandbox: false, scriptTimeout: 600_000 };
    return (await this.inTab((marionette) => marionette.send('WebDriver:ExecuteScript', call))).value;
  }

  async waitForFunction(what, argument, { timeout = PATIENCE_MS } = {}) {
    for (const start = Date.now(); Date.now() - start < timeout; await pause(100)) {
      if (await this.evaluate(what, argument)) return;
    }
    throw new Error(`${what} did not come true within ${timeout} ms`);
  }

  locator(selector) {
    return new Locator(this, { selector });
  }

  getByLabel(name) {
    return new Locator(this, { selector: 'input, textarea, select', name, exact: true });
  }

  getByRole(role, { name, exact = false }) {
    const selector = { button: 'button, [role=button]', link: 'a', heading: 'h1, h2, h3' }[role];
    return name instanceof RegExp ? new Locator(this, { selector, pattern: name.source }) : new Locator(this, { selector, name, exact });
  }
}

/** Runs in the page: remembers what must not happen. */
function watch() {
  globalThis.faults = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    globalThis.faults.push(`Content Security Policy: ${event.effectiveDirective} stopped ${event.blockedURI} ${event.sample}`);
  });
  window.addEventListener('error', (event) => globalThis.faults.push(`uncaught: ${event.message}`));
  window.addEventListener('unhandledrejection', (event) => globalThis.faults.push(`uncaught: ${event.reason}`));
}

/** Runs in the page: the first element that is meant, by what a person would call it. */
function find({ selector, name, exact, pattern }, anyway) {
  const called = (element) => {
    const labels = Array.from(element.labels ?? [], (label) => label.innerText).join(' ');
    return (element.getAttribute('aria-label') ?? (labels || element.innerText || '')).replace(/\s+/g, ' ').trim();
  };
  const meant = (element) => {
    if (!anyway && !element.checkVisibility({ visibilityProperty: true })) return false;
    if (pattern) return new RegExp(pattern).test(called(element));
    if (name === undefined) return true;
    return exact ? called(element) === name : called(element).toLowerCase().includes(name.toLowerCase());
  };
  return Array.from(document.querySelectorAll(selector)).find(meant) ?? null;
}

class Locator {
  constructor(page, what) {
    this.page = page;
    this.what = what;
  }

  first() {
    return this;
  }

  /** Waits for it, unless `anyway` until it can be seen. */
  async waitFor({ timeout = PATIENCE_MS, anyway = false } = {}) {
    for (const start = Date.now(); Date.now() - start < timeout && !this.page.closed; await pause(100)) {
      const element = await this.page.evaluate(find, this.what, anyway).catch(() => null); // the page may be leaving
      if (element) return element;
    }
    throw new Error(`${JSON.stringify(this.what)} did not appear within ${timeout} ms`);
  }

  async isVisible() {
    return (await this.page.evaluate(find, this.what, false)) !== null;
  }

  async #do(command, parameters = {}, anyway = false) {
    const id = (await this.waitFor({ anyway }))[ELEMENT];
    return this.page.inTab((marionette) => marionette.send(command, { id, ...parameters }));
  }

  click() {
    return this.#do('WebDriver:ElementClick');
  }

  async fill(text) {
    await this.#do('WebDriver:ElementClear');
    await this.#do('WebDriver:ElementSendKeys', { text });
  }

  async check() {
    const box = await this.waitFor({ anyway: true });
    await this.page.evaluate((box) => box.checked || box.click(), box);
  }

  setInputFiles(paths) {
    return this.#do('WebDriver:ElementSendKeys', { text: [paths].flat().join('\n') }, true);
  }

  async innerText() {
    return this.page.evaluate((element) => element.innerText, await this.waitFor({ anyway: true }));
  }

  async inputValue() {
    return this.page.evaluate((element) => element.value, await this.waitFor({ anyway: true }));
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
