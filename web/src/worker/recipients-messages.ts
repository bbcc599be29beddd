/** What a page and the worker for recipients say to each other. */

/** Somebody's public key. Not secret. */
export interface Recipient {
  /** `sealift1…` */
  text: string;
  /** What two people compare over another channel: eight groups of four hex digits. */
  fingerprint: string;
}

/** A new key pair. */
export interface Identity extends Recipient {
  /** The text of the file that holds the secret key. */
  file: string;
}

/** What somebody has who may change a package: a password, the link's secret, or both. */
export interface OwnCredential {
  password?: string;
  secret?: Uint8Array<ArrayBuffer>;
}

/** The slots of a keyring that replaces another. */
export interface NewSlots {
  /** Numbers of the slots that stay, counted from 0. */
  keep: number[];
  /** `sealift1…`, each. */
  recipients: string[];
  password?: string;
}
