/** What the key worker answers. */

/** A new package's key and keyring; `secret` goes into the link when there is no password. */
export interface NewKeyring {
  key: Uint8Array<ArrayBuffer>;
  keyring: Uint8Array<ArrayBuffer>;
  secret?: Uint8Array<ArrayBuffer>;
}

/** What opens a keyring, and what that costs in KiB times passes. */
export interface KeyringNeeds {
  package: string;
  password: boolean;
  secret: boolean;
  cost: number;
}

export interface ReceiveLink {
  relay: string;
  package: string;
  pin: Uint8Array<ArrayBuffer>;
  secret?: Uint8Array<ArrayBuffer>;
}

export interface ManageLink {
  relay: string;
  package: string;
  /** The owner token as it goes into the Authorization header. */
  token: string;
}
