// A forwarder for TCP that reads what a page says first on each WebSocket, before the relay does: so a test can play a
// second client of the same upload, as another window or machine would be.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const END_OF_HEAD = '\r\n\r\n';

export class Wire {
  #sockets = new Set();
  /** Called with the first message of each lane, which waits until it settles. */
  onHello = async () => {};

  /** Forwards between a free port and `target` on this computer. */
  static async to(target) {
    const wire = new Wire();
    wire.server = createServer((page) => wire.#forward(page, connect(target, '127.0.0.1')));
    wire.server.listen(0, '127.0.0.1');
    await once(wire.server, 'listening');
    wire.url = `http://localhost:${wire.server.address().port}`;
    return wire;
  }

  #forward(page, relay) {
    for (const socket of [page, relay]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => {
        this.#sockets.delete(socket);
        page.destroy();
        relay.destroy();
      });
    }
    relay.pipe(page);
    let read = Buffer.alloc(0);
    let head = 0;
    const listen = async (bytes) => {
      read = Buffer.concat([read, bytes]);
      if (head === 0) {
        const end = read.indexOf(END_OF_HEAD);
        if (end < 0) return;
        if (!read.toString('latin1').startsWith('GET /lane')) return passOn();
        head = end + END_OF_HEAD.length;
        relay.write(read.subarray(0, head)); // the page speaks when it has been let in
      }
      const message = firstMessage(read.subarray(head));
      if (message === null) return;
      read = read.subarray(head);
      page.pause();
      await this.onHello(message);
      passOn();
    };
    const passOn = () => {
      page.off('data', listen);
      relay.write(read);
      page.pipe(relay);
    };
    page.on('data', listen);
  }

  close() {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** What the first frame of a WebSocket carries; null while it is not whole. */
function firstMessage(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes[1] & 0x7f;
  const at = short === 126 ? 4 : 2;
  const length = short === 126 ? bytes.readUInt16BE(2) : short;
  const mask = bytes.subarray(at, at + 4);
  const payload = bytes.subarray(at + 4, at + 4 + length);
  return payload.length < length ? null : Buffer.from(payload.map((byte, n) => byte ^ mask[n % 4]));
}

/**
 * The hello of another client that has the same package and owner token, made from that of a page. The fields
 * in it are `04 50 CLIENT_ID 05 50 PACKAGE 06 58 20 OWNER_TOKEN …` and `08 TAKEOVER`.
 */
export function helloOfAnother(hello, { takeover }) {
  const text = hello.toString('latin1');
  const client = /\x04\x50([^]{16})\x05\x50[^]{16}\x06/.exec(text);
  const other = Buffer.from(hello);
  for (let byte = 0; byte < 16; byte += 1) other[client.index + 2 + byte] ^= 0xff;
  const behind = client.index + client[0].length + 34;
  const flag = text.slice(behind).search(/\x08[\xf4\xf5]/);
  other[behind + flag + 1] = takeover ? 0xf5 : 0xf4;
  return other;
}

/**
 * Runs in a page of the relay: says this hello on a lane of its own and keeps it. Settles with the numbers of the answers
 * so far: eight bytes of a frame come before each, and one of its list.
 */
export async function sayHello(hello) {
  const lane = new WebSocket(`${location.origin.replace('http', 'ws')}/lane`, 'sealift-1');
  lane.binaryType = 'arraybuffer';
  globalThis.answers = [];
  await new Promise((resolve, reject) => {
    lane.onopen = () => lane.send(Uint8Array.from(hello));
    lane.onerror = () => reject(new Error('the lane did not open'));
    lane.onmessage = ({ data }) => resolve(globalThis.answers.push(new Uint8Array(data)[9]));
  });
  return globalThis.answers;
}
