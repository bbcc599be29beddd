/** What a page and the worker of an opened package say to each other. */
import type { InArchive, Outcome, Target } from './sinks';

/** Where a sealed file lies. */
export type SealedPlace =
  | { kind: 'remote'; relay: string; package: string; file: string; headBytes: number }
  | { kind: 'local'; source: File; head: [number, number]; body: [number, number] };

/** The pieces of a `.sealift` file. */
export interface Layout {
  package: string;
  keyringBytes: Uint8Array<ArrayBuffer>;
  files: { file: string; role: 'manifest' | 'content'; head: [number, number]; body: [number, number] }[];
}

/** An opened manifest, as `client-wasm/src/opener.rs` gives it. */
export interface ManifestAnswer {
  title: string;
  note: string;
  folders: string[];
  files: ManifestFile[];
  sealed: { file: string; bytes: number; pack: boolean }[];
}

export interface ManifestFile {
  path: string;
  /** The path to save it under: no name in it can escape a folder. */
  safe: string;
  bytes: number;
  modified: number | null;
  type: string;
  /** Which sealed file it is in, and where. */
  sealed: number;
  offset: number;
}

/** One sealed file, and what of it to save where. */
export interface FileToSave {
  place: SealedPlace;
  /** Its place in the manifest; null when there is no manifest. */
  sealed: number | null;
  members: { entry: string; target: Target | InArchive; offset: number; bytes: number; whole: boolean }[];
}

export interface SaveOrder {
  job: number;
  files: FileToSave[];
  /** Folders to create: in a picked folder, or in the archive. */
  folders: { root: FileSystemDirectoryHandle | null; path: string }[];
  /** Where the archive goes that all files are put into; null when they are saved one by one. */
  archive: Target | null;
}

/** What the worker tells while it saves. */
export interface SaveReport {
  job: number;
  bytesDone: number;
  filesDone: number;
  what: { type: 'progress' | 'verifying' } | { type: 'notice'; code: string } | { type: 'file'; entry: string; outcome: Outcome } | { type: 'archive'; outcome: Outcome };
}
