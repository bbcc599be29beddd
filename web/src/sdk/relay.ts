/** The relay's HTTP interface, as far as pages use it. */
import { SealiftError } from './error';
import { CLIENT, olderThan, VERSION, versionEvents } from './version';

/** One sealed file on the relay. */
export interface StoredFile {
  id: string;
  role: 'content' | 'manifest';
  headBytes: number;
  bodyBytes: number;
}

export interface PackageInfo {
  state: string;
  createdAt: Date;
  expiresAt: Date | null;
  storedBytes: number;
  filesCount: number;
  files: StoredFile[];
}

/**
 * What a relay asks of content protection. All of it only restricts what a person may choose: none of it can make a page
 * seal with less, or not at all.
 */
export interface ProtectionPolicy {
  /** `off` hides the password, `required` asks for one. */
  mode: 'off' | 'optional' | 'required';
  /** The rule that passwords must pass, or null. */
  passwordRule: string | null;
}

/** What the relay allows. Null: it says nothing about it. */
export interface RelayPolicy {
  protection: ProtectionPolicy;
  uploadsOpen: boolean;
  expiryChoicesSeconds: number[];
  expiryDefaultSeconds: number | null;
  filesMax: number | null;
  packageBytesMax: number | null;
}

interface PolicyAnswer {
  protection?: { mode: string; strong_password_required: boolean; password_rule: string };
  client_version_min?: string | null;
  client_version_warn_below?: string | null;
  uploads_open: boolean;
  expiry_choices_s?: number[];
  expiry_default_s?: number;
  files_max?: number;
  package_bytes_max?: number;
}

interface PackageAnswer {
  state: string;
  created_at: string | number;
  expires_at: string | number | null;
  files: { id: string; role: string; head_bytes: number; body_bytes: number }[];
}

/**
 * What a relay allows, of the page's own one unless another is named; with a grant, what it allows that grant's user.
 *
 * @throws SealiftError `client_too_old` when it wants a newer page, `network_lost`.
 */
export async function relayPolicy(grant: string | null = null, relay: string = location.origin): Promise<RelayPolicy> {
  const headers: Record<string, string> = grant ? { 'sealift-grant': grant } : {};
  const answer = (await readJson(await ask(`${relay}/api/policy`, { headers }))) as PolicyAnswer;
  if (olderThan(VERSION, answer.client_version_min)) throw new SealiftError('client_too_old');
  if (olderThan(VERSION, answer.client_version_warn_below)) versionEvents.dispatchEvent(new Event('outdated'));
  const { mode, strong_password_required, password_rule } = answer.protection ?? {};
  return {
    protection: {
      // A word of tomorrow counts as the strictest one; a relay of yesterday says none.
      mode: mode === undefined || mode === 'optional' ? 'optional' : mode === 'off' ? 'off' : 'required',
      passwordRule: strong_password_required ? password_rule! : null,
    },
    uploadsOpen: answer.uploads_open,
    expiryChoicesSeconds: answer.expiry_choices_s ?? [],
    expiryDefaultSeconds: answer.expiry_default_s ?? null,
    filesMax: answer.files_max ?? null,
    packageBytesMax: answer.package_bytes_max ?? null,
  };
}

/** What a relay knows of a package. */
export async function packageInfo(relay: string, packageId: string): Promise<PackageInfo> {
  const answer = (await readJson(await ask(`${relay}/api/packages/${packageId}`))) as PackageAnswer;
  const files = answer.files.map(({ id, role, head_bytes, body_bytes }): StoredFile => ({
    id, role: role === 'manifest' ? 'manifest' : 'content', headBytes: head_bytes, bodyBytes: body_bytes,
  }));
  return {
    state: answer.state,
    createdAt: time(answer.created_at),
    expiresAt: answer.expires_at === null ? null : time(answer.expires_at),
    storedBytes: files.reduce((sum, file) => sum + file.headBytes + file.bodyBytes, 0),
    filesCount: files.filter((file) => file.role === 'content').length,
    files,
  };
}

/** What a relay says about how a package came and lies. Nothing of it can be checked from here. */
export interface RelayReport {
  sealedBy: string;
  transports: string[];
  docroot: string;
  storage: { kind: string; sse: { algorithm: string; key: string | null; verifiedAt: Date | null } | null };
  keyringGeneration: number;
  createdAt: Date;
  finishedAt: Date | null;
}

interface ReportAnswer {
  sealed_by: string | null;
  transports: string[];
  docroot: string;
  storage: { kind: string; sse: { algorithm: string; key?: string | null; verified_at?: string | number | null } | null };
  keyring_generation: number;
  created_at: string | number;
  finished_at: string | number | null;
}

/** The relay's half of the protection report. */
export async function relayReport(relay: string, packageId: string): Promise<RelayReport> {
  const answer = (await readJson(await ask(`${relay}/api/packages/${packageId}/report`))) as ReportAnswer;
  const { kind, sse } = answer.storage;
  return {
    sealedBy: answer.sealed_by ?? '',
    transports: answer.transports,
    docroot: answer.docroot,
    storage: { kind, sse: sse && { algorithm: sse.algorithm, key: sse.key ?? null, verifiedAt: maybe(sse.verified_at) } },
    keyringGeneration: answer.keyring_generation,
    createdAt: time(answer.created_at),
    finishedAt: maybe(answer.finished_at),
  };
}

function maybe(value: string | number | null | undefined): Date | null {
  return value === null || value === undefined ? null : time(value);
}

/** The limit of the format. */
export const KEYRING_BYTES_MAX = 48 << 10;
/** Longest JSON answer: 10,000 files, with room. */
const JSON_BYTES_MAX = 8 << 20;

/** An answer's JSON. */
export async function readJson(response: Response): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await readAtMost(response, JSON_BYTES_MAX)));
}

/**
 * An answer's bytes, which the relay may not make longer than `bytesMax`.
 *
 * @throws SealiftError `malformed` when it tries, `network_lost` when the answer breaks off.
 */
export async function readAtMost(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body!.getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let bytes = 0; ; ) {
    const { value, done } = await reader.read().catch((cause: unknown) => Promise.reject(new SealiftError('network_lost', undefined, { cause })));
    if (done) return new Uint8Array(await new Blob(pieces).arrayBuffer());
    bytes += value.length;
    if (bytes > bytesMax) {
      void reader.cancel().catch(() => {});
      throw new SealiftError('malformed');
    }
    pieces.push(value as Uint8Array<ArrayBuffer>);
  }
}

/** Where a sealed file is. */
export function fileUrl(relay: string, packageId: string, fileId: string): string {
  return `${relay}/api/packages/${packageId}/files/${fileId}`;
}

/** What a relay may say about a request; that a password is wrong, for one, it cannot know. */
const SAID_BY_RELAYS = [
  'unauthorized', 'grant_required', 'grant_invalid', 'grant_expired', 'origin_refused', 'draining', 'relay_busy', 'not_found',
  'expired', 'conflict', 'already_finished', 'not_complete', 'too_large', 'storage_full', 'storage_failed', 'malformed', 'internal',
  'keyring_changed', 'client_too_old', 'bad_keyring', 'kdf_too_weak', 'password_required', 'content_protection_required',
];

/** A request whose failure is a SealiftError with the relay's own code. */
export async function ask(url: string, init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-store', ...init, headers: { 'sealift-client': CLIENT, ...init.headers } });
  } catch (cause) {
    if (init.signal?.aborted) throw new SealiftError('cancelled');
    throw new SealiftError('network_lost', undefined, { cause });
  }
  if (response.headers.has('sealift-client-warning')) versionEvents.dispatchEvent(new Event('outdated'));
  if (response.ok) return response;
  const said = ((await readJson(response).catch(() => null)) ?? {}) as { code?: unknown };
  const code = SAID_BY_RELAYS.find((known) => known === said.code);
  // Without a code it was not the relay that answered, but something in front of it.
  throw new SealiftError(code ?? (response.status === 404 ? 'not_found' : 'network_lost'));
}

/** RFC 3339, or seconds since 1970. */
function time(value: string | number): Date {
  return new Date(typeof value === 'number' ? value * 1000 : value);
}
