/** What the key worker answers. */

/** A new package's key and keyring; `secret` goes into the link when there is no password. */
export interface NewKeyring {
  key: Uint8Array<ArrayBuffer>;
  keyring: Uint8Array<ArrayBuffer>;
  secret?: Uint8Array<ArrayBuffer>;
}

/** What opens one slot of a keyring. A password's cost is KiB of memory and passes over it; zero for other kinds. */
export interface KeySlot {
  kind: 'password' | 'password_and_link' | 'link' | 'recipient' | 'unknown';
  memory: number;
  passes: number;
}

/** What opens a keyring, and what that costs in KiB times passes. Nothing of it is authenticated before it is opened. */
export interface KeyringNeeds {
  package: string;
  password: boolean;
  secret: boolean;
  /** Whether a recipient's secret key opens it. */
  identity: boolean;
  cost: number;
  /** Counts up with every change of who can open the package. */
  generation: number;
  slots: KeySlot[];
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
  /** Opens the package by itself, when no password was chosen. */
  secret?: Uint8Array<ArrayBuffer>;
}
