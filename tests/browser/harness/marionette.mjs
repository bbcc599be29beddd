// Marionette, the protocol by which Firefox is automated from within: commands as JSON over a socket.
//
// Not WebDriver BiDi, through which libraries drive a Firefox as it is: while BiDi watches, a worker that starts a worker
// of its own hangs about once in sixty times (Firefox 153; never in 800 without). The pages do that for every upload.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

const START_MS = 60_000;

export class Marionette {
  #next = 1;
  #waiting = new Map();
  #unread = Buffer.alloc(0);

  /** Starts a Firefox without a screen in that profile folder. */
  static async start(executable, profile, preferences) {
    const all = { 'marionette.port': 0, 'browser.shell.checkDefaultBrowser': false, 'datareporting.policy.dataSubmissionEnabled': false, ...preferences };
    const lines = Object.entries(all).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    await writeFile(join(profile, 'user.js'), lines.join('\n'));
    const marionette = new Marionette();
    marionette.process = spawn(executable, ['--headless', '--no-remote', '--marionette', '--profile', profile], { stdio: 'ignore' });
    marionette.ended = once(marionette.process, 'exit');
    marionette.socket = connect(await port(profile), '127.0.0.1');
    const greeted = once(marionette.socket, 'data');
    marionette.socket.on('data', (bytes) => marionette.#read(bytes));
    await greeted;
    await marionette.send('WebDriver:NewSession', {});
    return marionette;
  }

  /** A message is `LENGTH:[1, id, error, result]`; the greeting is an object. */
  #read(bytes) {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (let colon = this.#unread.indexOf(':'); colon > 0; colon = this.#unread.indexOf(':')) {
      const end = colon + 1 + Number(this.#unread.subarray(0, colon));
      if (this.#unread.length < end) return;
      const message = JSON.parse(this.#unread.subarray(colon + 1, end));
      this.#unread = this.#unread.subarray(end);
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message;
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(`${error.error}: ${error.message}`));
      else resolve(result);
    }
  }

  send(name, parameters = {}) {
    const id = this.#next++;
    const text = JSON.stringify([0, id, name, parameters]);
    this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async quit() {
    await this.send('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => undefined);
    this.socket.destroy();
    await this.ended;
  }
}

/** Firefox picks a free port and writes it into its profile. */
async function port(profile) {
  for (const start = Date.now(); Date.now() - start < START_MS; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const text = await readFile(join(profile, 'MarionetteActivePort'), 'utf8').catch(() => '');
    if (Number(text) > 0) return Number(text);
  }
  throw new Error(`Firefox did not start within ${START_MS} ms`);
}
