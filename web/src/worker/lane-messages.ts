/** What the control worker and a lane's worker say to each other. */
import type { LaneAddress } from '../transport/lane';
import type { Transport } from '../sdk/types';
import type { SourceDescription } from './source';

type Bytes = Uint8Array<ArrayBuffer>;

/** One attempt to send one part. */
export interface PartOrder {
  /** Which order; echoed in the answer. */
  order: number;
  /** Hex of the file's id. */
  file: string;
  /** The frame that goes before the data, and the one that says that no more will come. */
  begin: Bytes;
  cancel: Bytes;
  firstSegment: number;
  segmentCount: number;
  /** Pairs of an earlier attempt at this part, from its first segment on: the source must still match them. */
  earlier: Bytes;
  /** For the last part: the pairs of all parts before it. It ends with the seal over them and its own. */
  pairsBefore: Bytes | null;
}

/** How a file's parts come about. */
export type Making =
  | { kind: 'seal'; sealer: Bytes; source: SourceDescription }
  /** Sealed beforehand, once: the manifest. */
  | { kind: 'sealed'; body: Bytes; pairs: Bytes };

/** Which implementation of AES-256-GCM seals. The bytes are the same. */
export type Engine = 'webcrypto' | 'wasm';

export type ToLane =
  | { type: 'start'; module: WebAssembly.Module; engine: Engine | 'auto' }
  | { type: 'open'; transport: Transport; address: LaneAddress }
  /** How many lanes there are: they share the queues. */
  | { type: 'lanes'; count: number }
  | { type: 'send'; frame: Bytes }
  | { type: 'file'; file: string; making: Making }
  | { type: 'forget'; file: string }
  | { type: 'part'; part: PartOrder }
  /** Send no more of this part. */
  | { type: 'stop'; order: number }
  /** Read segments and compare them with recorded pairs. */
  | { type: 'verify'; file: string; firstSegment: number; pairs: Bytes }
  | { type: 'close' };

export type PartFailure = 'file_changed' | 'file_unreadable' | 'lane' | 'stopped' | 'sealing';
export type Verdict = 'same' | 'changed' | 'unreadable';

export type FromLane =
  | { type: 'opened' }
  /** After everything else the lane has to say. */
  | { type: 'closed'; opened: boolean; supported: boolean; reason: string }
  | { type: 'received'; bytes: Uint8Array }
  | { type: 'sealed'; order: number; pairs: Uint8Array }
  | { type: 'failed'; order: number; failure: PartFailure; pairs: Uint8Array }
  | { type: 'verified'; verdict: Verdict };
