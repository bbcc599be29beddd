/**
 * The words of the SDK: what a caller hands in, and what it hears back.
 *
 * Sizes are bytes, rates bytes per second, times seconds unless the name says otherwise.
 */
import type { Transport } from '../transport/lane';

/**
 * How a package is protected. All ways end in a random key; a password, a link's secret or a recipient's key only ever
 * opens a slot that wraps it.
 *
 * `recipients` are public keys, `sealift1…`; the password beside them is the sender's own. Without one the package can
 * neither be continued after its page is gone nor changed later.
 */
export type Protection =
  | { kind: 'password'; password: string }
  | { kind: 'link' }
  | { kind: 'recipients'; recipients: string[]; password?: string };

export type { Transport };

/** One file to send. `path` is relative, separated by `/`, at most 1,024 bytes in UTF-8. */
export interface SourceFile {
  path: string;
  file: File;
}

export interface SendOptions {
  /** Origin of the relay, such as `https://relay.example`. Default: where the page came from. */
  relay?: string;
  files: SourceFile[];
  /** Folders without files, as relative paths: they are created empty by the receiver. */
  folders?: string[];
  title?: string;
  note?: string;
  protection: Protection;
  /** Default: the relay's own default. */
  expiresInSeconds?: number;
  /** Permission to send, from a send link or from the embedding page's backend. Not needed on an open relay. */
  grant?: string;
  /** Restrict to these, in this order. Default: WebTransport, then WebSocket. */
  transports?: Transport[];
  /** At most this many connections at once, never more than 8. Default: as many as there are cores, at least 2. */
  lanesMax?: number;
  /** Which implementation of AES-256-GCM seals; the bytes are the same. Default: the faster one that passes its self-test. */
  engine?: 'auto' | 'webcrypto' | 'wasm';
}

export type SendState =
  | 'idle'
  | 'preparing'
  | 'deriving'
  | 'sending'
  | 'paused'
  | 'waiting'
  | 'finishing'
  | 'sent'
  | 'failed'
  | 'cancelled'
  | 'superseded';

export type DownloadState =
  | 'idle'
  | 'running'
  | 'paused'
  | 'verifying'
  | 'received'
  | 'failed'
  | 'cancelled';

export interface Progress {
  /** Never goes back. */
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
  /** Null while it cannot be told. */
  secondsLeft: number | null;
  transport: Transport | null;
  lanes: number;
  filesDone: number;
  filesTotal: number;
}

export interface SendResult {
  packageId: string;
  /** For the people who shall open the package. */
  receiveLink: string;
  /** Full power over the package: read, change, delete. Never to be shared. */
  manageLink: string;
  expiresAt: Date;
}

/** One file of an opened package. */
export interface Entry {
  /** Stable within the package: hex of the file id, and for a member of a pack its place in it. */
  id: string;
  /** As the sender named it. Only for showing: what is written to disk is made safe first. */
  path: string;
  bytes: number;
  modified: Date | null;
  /** MIME type as the sender's browser told it, or the empty string. Never used to decide anything. */
  type: string;
}

/**
 * What is proved about a package's contents.
 *
 * `link`: complete, unchanged, and exactly what the link pins. `password`: complete and unchanged since someone
 * with the password sealed it, not compared with a link. `unpinned`: sealed by someone unknown.
 */
export type Proof = 'link' | 'password' | 'unpinned';

export interface Contents {
  title: string;
  note: string;
  entries: Entry[];
  folders: string[];
  bytesTotal: number;
  proof: Proof;
  /** Sealed files that the list names and that are not here: only with files that were kept one by one. */
  missing: number;
}

/** Where a download goes. `auto` asks the person when the browser can, else tries the tiers in the order of their cost. */
export type SaveInto = 'auto' | 'file' | 'folder' | 'opfs' | 'stream' | 'blob';

/** The nothing-yet value of a progress. */
export function noProgress(bytesTotal = 0, filesTotal = 0): Progress {
  return {
    bytesDone: 0, bytesTotal, bytesPerSecond: 0, secondsLeft: null,
    transport: null, lanes: 0, filesDone: 0, filesTotal,
  };
}
