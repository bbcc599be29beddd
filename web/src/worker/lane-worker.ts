/** A lane's worker, as the control worker holds it. */
import type { Transport } from '../sdk/types';
import { hasWebTransport } from '../transport/webtransport';
import { readJson } from '../sdk/relay';
import { CLIENT } from '../sdk/version';
import { startSibling } from './assets';
import type { Engine, FromLane, Making, PartOrder, ToLane } from './lane-messages';

/** The relay's answer to `GET /api/webtransport`. */
interface Certificates {
  port: number;
  /** SHA-256 of the present and the next certificate, base64url; null when an authority signed them. */
  hashes: string[] | null;
}

export class LaneWorker {
  private readonly worker: Worker;
  private readonly known = new Set<string>();

  constructor(module: WebAssembly.Module, engine: Engine | 'auto', private readonly listen: (message: FromLane) => void) {
    this.worker = startSibling('lane');
    this.worker.onmessage = (event: MessageEvent<FromLane>) => {
      if (event.data.type === 'closed') this.worker.terminate();
      listen(event.data);
    };
    this.worker.onerror = () => listen({ type: 'closed', opened: true, supported: true, reason: 'the worker failed' });
    this.post({ type: 'start', module, engine });
  }

  post(message: ToLane): void {
    this.worker.postMessage(message);
  }

  /** Opens the connection. A relay renews its certificate by itself, so its hashes are asked for before each attempt. */
  open(transport: Transport, relay: string): void {
    if (transport === 'websocket') return this.post({ type: 'open', transport, address: { relay } });
    const refuse = (supported: boolean, reason: string) => {
      this.listen({ type: 'closed', opened: false, supported, reason });
      this.worker.terminate();
    };
    if (!hasWebTransport()) return refuse(false, 'this browser has no WebTransport');
    fetch(`${relay}/api/webtransport`, { cache: 'no-store', headers: { 'sealift-client': CLIENT } }).then(
      async (response) => {
        if (response.status === 404) return refuse(false, 'this relay has no WebTransport');
        if (!response.ok) return refuse(true, `status ${response.status}`);
        const { port, hashes } = (await readJson(response)) as Certificates;
        if (!Number.isInteger(port) || port < 1 || port > 65_535) return refuse(false, 'the relay named no port');
        this.post({ type: 'open', transport, address: { relay, port, hashes } });
      },
    ).catch(() => refuse(true, 'the relay cannot be reached'));
  }

  /** Tells the worker how a file is made, before its first part. */
  introduce(file: string, making: Making): void {
    if (this.known.has(file)) return;
    this.known.add(file);
    this.post({ type: 'file', file, making });
  }

  part(part: PartOrder, making: Making): void {
    this.introduce(part.file, making);
    const { order, file, begin, cancel, firstSegment, segmentCount, earlier, pairsBefore } = part;
    this.post({ type: 'part', part: { order, file, begin, cancel, firstSegment, segmentCount, earlier, pairsBefore } });
  }

  forget(file: string): void {
    if (this.known.delete(file)) this.post({ type: 'forget', file });
  }
}
