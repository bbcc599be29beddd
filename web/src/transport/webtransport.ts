/**
 * A lane over WebTransport: one session with one bidirectional stream.
 *
 * `writer.write` settles when the bytes fit into the peer's window, so it is the whole flow control.
 */
import { LANE_PATH, LANE_PROTOCOL, type LaneAddress, type LaneListener, type LaneStream } from './lane';

/** The newer options that TypeScript's own library does not know yet. */
interface Options extends WebTransportOptions {
  protocols?: string[];
}

/** Whether this browser has WebTransport at all. */
export function hasWebTransport(): boolean {
  return typeof WebTransport === 'function';
}

/** Opens a lane; rejects when UDP is blocked, the certificate is another one, or the relay has no WebTransport. */
export async function openWebTransport(address: LaneAddress, listener: LaneListener): Promise<LaneStream> {
  const options: Options = { congestionControl: 'throughput', protocols: [LANE_PROTOCOL] };
  if (address.hashes?.length) {
    options.serverCertificateHashes = address.hashes.map((hash) => ({ algorithm: 'sha-256', value: fromBase64url(hash) }));
  }
  const session = new WebTransport(endpoint(address), options);
  try {
    await session.ready;
    const stream = await session.createBidirectionalStream();
    return new WebTransportLane(session, stream, listener);
  } catch (error) {
    session.closed.catch(() => {}); // said once, here
    session.close();
    throw error;
  }
}

/** Chromium tries only the first address of a name, and `localhost` has two: name the one that relays listen on. */
function endpoint(address: LaneAddress): string {
  const host = new URL(address.relay).hostname;
  return `https://${host === 'localhost' ? '127.0.0.1' : host}:${address.port}${LANE_PATH}`;
}

class WebTransportLane implements LaneStream {
  readonly transport = 'webtransport';
  private readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  private ended = false;

  constructor(private readonly session: WebTransport, stream: WebTransportBidirectionalStream, private readonly listener: LaneListener) {
    this.writer = stream.writable.getWriter();
    this.writer.closed.catch(() => {});
    session.closed.then(
      ({ reason }) => this.end(reason || 'closed'),
      (error: unknown) => this.end(String((error as Error)?.message ?? error)),
    );
    void this.listen(stream.readable.getReader());
  }

  async write(...chunks: Uint8Array<ArrayBuffer>[]): Promise<void> {
    await Promise.all(chunks.map((chunk) => this.writer.write(chunk)));
  }

  close(): void {
    this.ended = true;
    this.session.close();
  }

  private async listen(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return this.end('closed');
        this.listener.received(value);
      }
    } catch (error) {
      this.end(String((error as Error)?.message ?? error));
    }
  }

  private end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.listener.closed(reason);
  }
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
}
