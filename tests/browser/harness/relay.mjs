// The real relay, as a program of its own that can be killed and started again on the same port.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Where a program of this project was built. */
export function program(name) {
  const binaries = process.env.SEALIFT_BINARIES;
  if (!binaries) throw new Error('SEALIFT_BINARIES is not set; run these tests by `cargo xtask test browser`');
  return join(binaries, name);
}

export class Relay {
  /** Starts a relay on a free port, with a data folder of its own. `more` are further arguments; uploads are open unless they say otherwise. */
  static async start(...more) {
    const relay = new Relay();
    relay.data = await mkdtemp(join(tmpdir(), 'sealift-browser-'));
    relay.more = more;
    await relay.#spawn(0);
    return relay;
  }

  get url() {
    return `${this.more.includes('--tls-cert') ? 'https' : 'http'}://localhost:${this.port}`;
  }

  async #spawn(port) {
    const open = this.more.some((argument) => argument.startsWith('--open-uploads')) ? [] : ['--open-uploads'];
    const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', join(this.data, 'data'), ...open, ...this.more];
    this.log = '';
    this.process = spawn(program('sealift-relay'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stderr.on('data', (text) => (this.log = (this.log + text).slice(-20_000)));
    this.exited = new Promise((resolve) => this.process.once('exit', resolve));
    const listening = (async () => {
      for await (const line of createInterface({ input: this.process.stdout })) {
        const found = /listening on https?:\/\/[^:]+:(\d+)/.exec(line);
        if (found) return Number(found[1]);
      }
      throw new Error(`the relay ended before it listened:\n${this.log}`);
    })();
    this.port = await listening;
  }

  /** Ends it without warning, as a power cut would. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  /** Starts it again, where it was. */
  async restart() {
    await this.#spawn(this.port);
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      await this.exited;
    }
    await rm(this.data, { recursive: true, force: true });
  }
}
