// A screen without a monitor, for what no headless browser has: the dialogs of the desktop, operated by keys as a person
// would.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PATIENCE_MS = 30_000;
const pause = () => new Promise((resolve) => setTimeout(resolve, 500));

export class Screen {
  static async start() {
    const screen = new Screen();
    screen.server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const [number] = await once(screen.server.stdio[3], 'data');
    screen.env = { ...process.env, DISPLAY: `:${String(number).trim()}` };
    screen.manager = spawn('openbox', [], { env: screen.env, stdio: 'ignore' });
    return screen;
  }

  async #keys(...words) {
    return (await run('xdotool', words, { env: this.env })).stdout;
  }

  /** The dialog that is open, by a piece of its title. */
  async #dialog(title) {
    for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await pause()) {
      const found = await this.#keys('search', '--onlyvisible', '--name', title).catch(() => '');
      if (found.trim()) return found.trim().split('\n')[0];
    }
    throw new Error(`no dialog called ${title} within ${PATIENCE_MS} ms`);
  }

  /** Writes a path into the browser's save dialog, and presses Save. */
  async saveAs(path) {
    const dialog = await this.#dialog('this site can see');
    const size = Object.fromEntries((await this.#keys('getwindowgeometry', '--shell', dialog)).trim().split('\n').map((line) => line.split('=')));
    await pause(); // the field gets the keyboard a moment after the dialog is there
    await this.#keys('key', '--clearmodifiers', 'ctrl+a');
    await this.#keys('type', '--clearmodifiers', '--delay', '20', path);
    await this.#press(dialog, size);
  }

  /** Closes the dialog without an answer. */
  async dismiss() {
    await this.#dialog('this site can see');
    await pause();
    await this.#keys('key', '--clearmodifiers', 'Escape');
  }

  /** *Save* stands in the corner. One click may only close the list of names that the typing opened. */
  async #press(dialog, { WIDTH, HEIGHT }) {
    for (let presses = 0; presses < 5; presses += 1) {
      await pause();
      await this.#keys('mousemove', '--window', dialog, String(WIDTH - 50), String(HEIGHT - 28), 'click', '1').catch(() => undefined);
      await pause();
      if (!(await this.#keys('search', '--onlyvisible', '--name', 'this site can see').catch(() => '')).trim()) return;
    }
    throw new Error('the dialog stays open');
  }

  close() {
    this.manager.kill();
    this.server.kill();
  }
}
