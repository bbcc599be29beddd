// A real Firefox, spoken to in WebDriver BiDi, with the few words of Playwright's that `portal.mjs` uses: what a person
// does on the pages is written once for both browsers. (Playwright itself drives only a Firefox of its own make.)
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from 'puppeteer-core';

const PATIENCE = 60_000;

export class Firefox {
  /** Everything that must stay empty: policy violations, errors nobody caught. */
  faults = [];

  static async start() {
    const firefox = new Firefox();
    firefox.downloads = await mkdtemp(join(tmpdir(), 'sealift-firefox-'));
    firefox.process = await launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX,
      headless: true,
      protocolTimeout: 600_000,
      extraPrefsFirefox: {
        'browser.download.folderList': 2,
        'browser.download.dir': firefox.downloads,
        'browser.download.useDownloadDir': true,
        'browser.download.alwaysOpenPanel': false,
        'dom.webnotifications.enabled': false,
      },
    });
    return firefox;
  }

  async profile() {
    const context = await this.process.createBrowserContext();
    return { newPage: async () => new Page(await context.newPage(), this.faults), close: () => context.close() };
  }

  /** Waits until that many files have been downloaded whole, and returns the bytes of each by its name. */
  async downloaded(count) {
    for (const start = Date.now(); Date.now() - start < PATIENCE; await pause(100)) {
      const names = await readdir(this.downloads);
      if (names.length < count || names.some((name) => name.endsWith('.part'))) continue;
      const files = await Promise.all(names.map(async (name) => [name, await readFile(join(this.downloads, name))]));
      if (files.every(([, bytes]) => bytes.length > 0)) return Object.fromEntries(files);
    }
    throw new Error(`no ${count} downloads within ${PATIENCE} ms: ${await readdir(this.downloads)}`);
  }

  async close() {
    await this.process.close();
    await rm(this.downloads, { recursive: true, force: true });
  }
}

class Page {
  constructor(page, faults) {
    this.page = page;
    page.on('pageerror', (error) => faults.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
      if (/content.security.policy|trusted ?types?\b|integrity/i.test(message.text())) faults.push(message.text());
    });
  }

  goto = (url) => this.page.goto(url, { timeout: PATIENCE });
  reload = () => this.page.reload();
  url = () => this.page.url();
  close = () => this.page.close();
  evaluate = (...all) => this.page.evaluate(...all);
  waitForFunction = (what, argument, { timeout = PATIENCE } = {}) => this.page.waitForFunction(what, { timeout, polling: 50 }, argument);

  locator(selector) {
    return new Locator(this.page, `the element ${selector}`, (handle) => handle.$(selector));
  }

  getByLabel(name) {
    return this.#named(name, ['input', 'textarea', 'select']);
  }

  getByRole(role, { name, exact = false }) {
    const tags = { button: ['button', '[role=button]'], link: ['a'], heading: ['h1', 'h2', 'h3'], checkbox: ['input'] }[role];
    return this.#named(name, tags, exact);
  }

  getByText(text) {
    return new Locator(this.page, `the text ${text}`, (handle) => handle.$(`::-p-text(${text})`));
  }

  /** By the accessible name that the browser itself computes from label, text and ARIA. */
  #named(name, tags, exact = true) {
    const found = async (handle) => {
      for (const element of await handle.$$(tags.join(','))) {
        if (await element.evaluate(isNamed, name instanceof RegExp ? name.source : name, exact, name instanceof RegExp)) return element;
      }
      return null;
    };
    return new Locator(this.page, `something named ${name}`, found);
  }
}

/** Runs in the page: is this what a person would call by that name, and can they see it? */
function isNamed(element, name, exact, pattern) {
  const labels = Array.from(element.labels ?? [], (label) => label.innerText);
  const called = (element.getAttribute('aria-label') ?? (labels.join(' ') || element.innerText) ?? '').replace(/\s+/g, ' ').trim();
  if (!element.checkVisibility({ visibilityProperty: true }) && element.type !== 'checkbox') return false;
  if (pattern) return new RegExp(name).test(called);
  return exact ? called === name : called.toLowerCase().includes(name.toLowerCase());
}

class Locator {
  constructor(page, what, find) {
    Object.assign(this, { page, what, find });
  }

  first = () => this;

  /** Waits for it; by default also until it can be seen. */
  async waitFor({ timeout = PATIENCE, state = 'visible' } = {}) {
    for (const start = Date.now(); Date.now() - start < timeout && !this.page.isClosed(); await pause(50)) {
      const element = await this.find(this.page).catch(() => null); // the page may be leaving
      if (element && (state === 'attached' || (await element.isVisible()))) return element;
    }
    throw new Error(`${this.what} did not appear within ${timeout} ms`);
  }

  async isVisible() {
    return (await this.find(this.page))?.isVisible() ?? false;
  }

  async click() {
    const element = await this.waitFor();
    await element.scrollIntoView();
    await element.click();
  }

  async fill(text) {
    const element = await this.waitFor();
    await element.evaluate((field) => field.select());
    await element.press('Delete');
    await element.type(text);
  }

  async check() {
    const element = await this.waitFor({ state: 'attached' });
    if (!(await element.evaluate((box) => box.checked))) await element.evaluate((box) => box.click());
  }

  async setInputFiles(paths) {
    await (await this.waitFor({ state: 'attached' })).uploadFile(...[paths].flat());
  }

  async innerText() {
    return (await this.waitFor({ state: 'attached' })).evaluate((element) => element.innerText);
  }

  async inputValue() {
    return (await this.waitFor({ state: 'attached' })).evaluate((element) => element.value);
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
