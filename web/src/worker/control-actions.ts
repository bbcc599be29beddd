/** What the session asks the control worker to do; made by `client-wasm/src/control.rs`. */
import type { Transport } from '../sdk/types';

type Bytes = Uint8Array<ArrayBuffer>;

export type SessionAction =
  | { type: 'open'; lane: number; transport: Transport }
  | { type: 'close'; lane: number }
  | { type: 'send'; lane: number; frame: Bytes }
  | {
      type: 'part'; lane: number; order: number; file: string; begin: Bytes; cancel: Bytes;
      firstSegment: number; segmentCount: number; earlier: Bytes; pairsBefore: Bytes | null;
    }
  | { type: 'stop'; lane: number; order: number | null }
  | { type: 'verify'; file: string; part: number; firstSegment: number; pairs: Bytes }
  | { type: 'manifest'; file: string; body: Bytes; pairs: Bytes }
  | { type: 'state'; state: 'sending' | 'paused' | 'waiting' | 'finishing' }
  | { type: 'transport'; transport: Transport; reason: string }
  | {
      type: 'progress'; bytesDone: number; bytesTotal: number; bytesPerSecond: number;
      secondsLeft: number | null; transport: Transport | null; lanes: number;
    }
  | { type: 'committed'; file: string; fileCount: number }
  | { type: 'busy' }
  | { type: 'finished'; expiresAt: number }
  | { type: 'failed'; code: string; path: string | null }
  | { type: 'cancelled'; confirmed: boolean }
  | { type: 'superseded' };

/** One sealed file, as `SendSession.prepare` planned it. */
export interface PreparedFile {
  file: string;
  sealer: Bytes;
  bytes: number;
  /** Registered files in it: `[index, offset]`. */
  members: [number, number][];
}
