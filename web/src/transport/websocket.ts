/**
 * A lane over a WebSocket.
 *
 * A WebSocket has no back-pressure of its own: `send` only queues. The queue is kept short by looking at
 * `bufferedAmount` after each write.
 */
import { LANE_PATH, LANE_PROTOCOL, type LaneAddress, type LaneListener, type LaneStream } from './lane';

/** Bytes all lanes together may have queued in the browser. More costs memory and gains no speed. */
const QUEUED_BYTES_MAX = 4 << 20;

/** Opens a lane; rejects when the relay cannot be reached or speaks another protocol. */
export function openWebSocket(address: LaneAddress, lanes: () => number, listener: LaneListener): Promise<LaneStream> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address.relay.replace(/^http/, 'ws') + LANE_PATH, LANE_PROTOCOL);
    socket.binaryType = 'arraybuffer';
    let opened = false;
    socket.onopen = () => {
      opened = true;
      resolve(new WebSocketLane(socket, lanes));
    };
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer) listener.received(new Uint8Array(event.data));
    };
    socket.onclose = (event) => {
      const reason = event.reason || `closed (${event.code})`;
      if (opened) listener.closed(reason);
      else reject(new Error(reason));
    };
  });
}

class WebSocketLane implements LaneStream {
  readonly transport = 'websocket';

  constructor(private readonly socket: WebSocket, private readonly lanes: () => number) {}

  async write(...chunks: Uint8Array<ArrayBuffer>[]): Promise<void> {
    // `send` on a closed socket does not throw, it only lets bufferedAmount grow.
    if (this.socket.readyState !== WebSocket.OPEN) throw new Error('closed');
    for (const chunk of chunks) this.socket.send(chunk);
    const most = QUEUED_BYTES_MAX / Math.max(1, this.lanes());
    for (let waits = 0; this.socket.bufferedAmount > most; waits++) {
      // A few quick turns of the event loop suffice on a fast line; on a slow one they would burn a core.
      await (waits < 16 ? tick() : pause());
      if (this.socket.readyState !== WebSocket.OPEN) throw new Error('closed');
    }
  }

  close(): void {
    this.socket.onclose = null;
    this.socket.close();
  }
}

const channel = new MessageChannel();
const ticks: (() => void)[] = [];
channel.port1.onmessage = () => ticks.shift()?.();

/** One turn of the event loop, without the 4 ms that timers cost. */
function tick(): Promise<void> {
  return new Promise((resolve) => {
    ticks.push(resolve);
    channel.port2.postMessage(null);
  });
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 4));
}
