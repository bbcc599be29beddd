// A small driver for Chromium over a pipe. It never switches on the inspector's network domain,
// which reports every WebSocket frame and makes a measured upload several times slower.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Chromium {
  #next = 1;
  #waiting = new Map();
  #events = [];

  static async start(executable = process.env.CHROMIUM) {
    const chromium = new Chromium();
    chromium.profile = await mkdtemp(join(tmpdir(), 'sealift-bench-'));
    const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const flags = [
      '--headless', '--remote-debugging-pipe', `--user-data-dir=${chromium.profile}`, '--no-first-run', '--disable-gpu',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-precise-memory-info', ...root,
    ];
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'];
    chromium.process = spawn(executable, flags, { stdio });
    chromium.ended = new Promise((resolve) => chromium.process.once('exit', resolve));
    let text = '';
    chromium.process.stdio[4].setEncoding('utf8').on('data', (piece) => {
      text += piece;
      for (let end = text.indexOf('\0'); end >= 0; end = text.indexOf('\0')) {
        chromium.#answer(JSON.parse(text.slice(0, end)));
        text = text.slice(end + 1);
      }
    });
    return chromium;
  }

  #answer({ id, result, error, method, params }) {
    if (id === undefined) return this.#events.forEach((listen) => listen(method, params));
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  on(listen) {
    this.#events.push(listen);
  }

  /** A new tab at an address; `before` is a script that runs ahead of the page's own. */
  async open(url, before = '') {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, sessionId, targetId);
    await tab.send('Page.enable');
    if (before) await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: before });
    await tab.send('Page.navigate', { url });
    await tab.until('document.readyState === "complete" && location.href !== "about:blank"');
    return tab;
  }

  /** Proportional memory of every process of the browser, in bytes, by kind. */
  async memory() {
    const kinds = { browser: 0, renderer: 0, other: 0 };
    for (const pid of await descendants(this.process.pid)) {
      try {
        const command = await readFile(`/proc/${pid}/cmdline`, 'utf8');
        const pss = /^Pss:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'));
        const kind = command.includes('--type=renderer') ? 'renderer' : command.includes('--type=') ? 'other' : 'browser';
        kinds[kind] += Number(pss?.[1] ?? 0) * 1024;
      } catch {
        // It ended in between.
      }
    }
    return kinds;
  }

  async close() {
    await this.send('Browser.close').catch(() => undefined);
    await this.ended;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Tab {
  constructor(chromium, session, target) {
    Object.assign(this, { chromium, session, target });
  }

  send(method, params) {
    return this.chromium.send(method, params, this.session);
  }

  /** Runs JavaScript in the page and returns what it gives, waited for. */
  async run(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(condition, seconds = 600) {
    const end = Date.now() + seconds * 1000;
    while (!(await this.run(condition).catch(() => false))) {
      if (Date.now() > end) throw new Error(`not within ${seconds} s: ${condition}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Puts files of this computer into a file input. */
  async choose(selector, files) {
    const { result } = await this.send('Runtime.evaluate', { expression: `document.querySelector(${JSON.stringify(selector)})` });
    await this.send('DOM.setFileInputFiles', { objectId: result.objectId, files });
  }

  close() {
    return this.chromium.send('Target.closeTarget', { targetId: this.target });
  }
}

async function descendants(root) {
  const parents = new Map();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = await readFile(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended in between.
    }
  }
  const found = [root];
  for (let at = 0; at < found.length; at += 1) for (const [pid, parent] of parents) if (parent === found[at]) found.push(pid);
  return found;
}
