// A real Chromium that reports whatever the content policy had to stop.
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-gpu',
];

export class Browser {
  /** Everything that must stay empty: policy violations, errors nobody caught, requests to strangers. */
  faults = [];
  #ownDialogs = false;

  /** `more` are further switches of Chromium's. */
  static start(...more) {
    return Browser.#launch({ headless: true }, more);
  }

  /** With windows, on this screen, and with the dialogs of its desktop. */
  static async startOn(screen) {
    const browser = await Browser.#launch({ headless: false, env: screen.env }, []);
    browser.#ownDialogs = true;
    return browser;
  }

  static async #launch(where, more) {
    const browser = new Browser();
    const root = process.getuid?.() === 0;
    browser.process = await chromium.launch({
      ...where,
      executablePath: process.env.CHROMIUM,
      args: [...ARGUMENTS, ...(root ? ['--no-sandbox'] : []), ...more],
    });
    return browser;
  }

  /** A fresh profile. What a person would pick in a save dialog lies in the page's private file system. */
  async profile(options = {}) {
    const context = await this.process.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
    await context.addInitScript(watch);
    if (!this.#ownDialogs) await context.addInitScript(pickInside);
    context.on('weberror', (error) => this.faults.push(`uncaught: ${error.error()}`));
    context.on('console', (message) => {
      if (/content.security.policy|trusted ?types?\b|integrity/i.test(message.text())) this.faults.push(message.text());
    });
    context.on('request', (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (protocol.startsWith('http') && !['localhost', '127.0.0.1'].includes(hostname)) this.faults.push(`request to ${hostname}`);
    });
    return context;
  }

  close() {
    return this.process.close();
  }
}

/** Runs in every page before its own scripts: tells what the policy had to stop. */
function watch() {
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`Content Security Policy: ${event.effectiveDirective} stopped ${event.blockedURI} ${event.sample}`);
  });
}

/** The same: answers the save dialogs, which a browser without a screen does not have. */
function pickInside() {
  const inside = async (name) => (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
  if (location.protocol !== 'file:') {
    window.showDirectoryPicker = () => inside('picked');
    window.showSaveFilePicker = async ({ suggestedName = 'file' } = {}) => (await inside('picked')).getFileHandle(suggestedName, { create: true });
  }
}

/** What was saved through the pickers: path to SHA-256, as `tree` in files.mjs gives it. */
export function saved(page) {
  return page.evaluate(async () => {
    const found = {};
    async function walk(folder, path) {
      let empty = true;
      for await (const [name, handle] of folder) {
        empty = false;
        if (handle.kind === 'directory') await walk(handle, `${path}${name}/`);
        else {
          const digest = await crypto.subtle.digest('SHA-256', await (await handle.getFile()).arrayBuffer());
          found[path + name] = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
        }
      }
      if (empty && path) found[path] = '';
    }
    await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle('picked', { create: true }), '');
    return found;
  });
}

/** Drops files and folders of this computer onto the middle of the page, as a person would. */
export async function drop(page, paths) {
  const session = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await session.send('Input.dispatchDragEvent', { type, x: width / 2, y: height / 2, data });
  }
  await session.detach();
}
