/** The relay's HTTP interface, as far as pages use it. */
import { SealiftError } from './error';

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

/** What the relay allows. Null: it says nothing about it. */
export interface RelayPolicy {
  uploadsOpen: boolean;
  expiryChoicesSeconds: number[];
  expiryDefaultSeconds: number | null;
  filesMax: number | null;
  packageBytesMax: number | null;
}

interface PolicyAnswer {
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

/** What a relay allows; of the page's own one unless another is named. */
export async function relayPolicy(relay: string = location.origin): Promise<RelayPolicy> {
  const answer = (await (await ask(`${relay}/api/policy`)).json()) as PolicyAnswer;
  return {
    uploadsOpen: answer.uploads_open,
    expiryChoicesSeconds: answer.expiry_choices_s ?? [],
    expiryDefaultSeconds: answer.expiry_default_s ?? null,
    filesMax: answer.files_max ?? null,
    packageBytesMax: answer.package_bytes_max ?? null,
  };
}

/** What a relay knows of a package. */
export async function packageInfo(relay: string, packageId: string): Promise<PackageInfo> {
  const answer = (await (await ask(`${relay}/api/packages/${packageId}`)).json()) as PackageAnswer;
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

/** Where a sealed file is. */
export function fileUrl(relay: string, packageId: string, fileId: string): string {
  return `${relay}/api/packages/${packageId}/files/${fileId}`;
}

/** A request whose failure is a SealiftError with the relay's own code. */
export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-store', ...init });
  } catch (cause) {
    if (init.signal?.aborted) throw new SealiftError('cancelled');
    throw new SealiftError('network_lost', undefined, { cause });
  }
  if (response.ok) return response;
  const { code } = (await response.json().catch(() => ({}))) as { code?: string };
  // Without a code it was not the relay that answered, but something in front of it.
  throw new SealiftError(code ?? (response.status === 404 ? 'not_found' : 'network_lost'));
}

/** RFC 3339, or seconds since 1970. */
function time(value: string | number): Date {
  return new Date(typeof value === 'number' ? value * 1000 : value);
}
