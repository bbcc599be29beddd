/**
 * A lane is one reliable ordered stream of bytes each way; how it travels is all that differs.
 *
 * A stream carries ciphertext and control frames only. Back-pressure is the promise of `write`: it settles when the
 * transport can take more, and rejects when the stream is dead.
 */

/** The two ways bytes travel. Which one is used never changes what is protected. */
export type Transport = 'webtransport' | 'websocket';

export interface LaneStream {
  readonly transport: Transport;
  /** Sends the chunks in order, without others between them. A chunk must not be changed afterwards. */
  write(...chunks: Uint8Array<ArrayBuffer>[]): Promise<void>;
  close(): void;
}

export interface LaneListener {
  received(bytes: Uint8Array): void;
  /** Once, when the stream ends for whatever reason other than `close`. */
  closed(reason: string): void;
}

/** Where a relay listens, as the control worker learned it. */
export interface LaneAddress {
  /** Origin of the relay, such as `https://relay.example`. */
  relay: string;
  /** Port of the WebTransport endpoint. */
  port?: number;
  /** SHA-256 of the certificates to accept, base64url; null when an authority signed them. */
  hashes?: string[] | null;
}

/** Path and name of the protocol, the same on every transport. */
export const LANE_PATH = '/lane';
export const LANE_PROTOCOL = 'sealift-1';
