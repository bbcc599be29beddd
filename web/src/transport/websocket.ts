/**
 * A lane over a WebSocket.
 *
 * A WebSocket has no back-pressure of its own: `send` only queues. The queue is kept short by looking at
 * `bufferedAmount` after each write, and every few milliseconds while it is too long. It is long enough that it does not
 * run empty in between: 1 MiB in 4 ms are 260 MB/s for each of four lanes. (Looking more often than timers allow, by
 * messages to oneself, cost a worker 20,000 turns of its event loop per GiB and gained nothing.)
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
    while (this.socket.bufferedAmount > most) {
      await pause();
      if (this.socket.readyState !== WebSocket.OPEN) throw new Error('closed');
    }
  }

  close(): void {
    this.socket.onclose = null;
    this.socket.close();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 4));
}
