/** Opens a package, from a link or from local files. */
import type { Contents, Entry, SaveInto } from './types';
import { SealiftError } from './error';
import { DownloadJob } from './download';

export class Package {
  needs: 'password' | 'nothing' = 'password';
  storedBytes = 0;
  expiresAt: Date | null = null;

  async estimate(): Promise<{ milliseconds: number }> { throw new SealiftError('internal'); }
  async unlock(_password?: string, _options?: { signal?: AbortSignal }): Promise<Contents> { throw new SealiftError('internal'); }
  /** Must be called in the click itself: the save dialog needs the gesture. */
  download(_entries: Entry[] | 'all', _options?: { into?: SaveInto }): DownloadJob { throw new SealiftError('internal'); }
  /** Address of the still encrypted package, or of one file with its manifest, for a plain browser download. */
  encryptedUrl(_entry?: Entry): string { throw new SealiftError('internal'); }
}

/** Fetches keyring and manifest, nothing else. */
export async function openLink(_link: string): Promise<Package> { throw new SealiftError('internal'); }

/** Opens `.sealift` files on this computer, without network. */
export async function openFiles(_files: File[]): Promise<Package> { throw new SealiftError('internal'); }
