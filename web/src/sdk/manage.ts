/** What a manage link allows: look at a package and delete it. */
import { SealiftError } from './error';

export interface ManagedInfo {
  state: string;
  createdAt: Date;
  expiresAt: Date | null;
  storedBytes: number;
  fileCount: number;
}

export class ManagedPackage {
  constructor(readonly packageId: string, readonly receiveLink: string | null) {}
  async info(): Promise<ManagedInfo> { throw new SealiftError('internal'); }
  async delete(): Promise<void> { throw new SealiftError('internal'); }
}

export function readManageLink(_link: string): ManagedPackage { throw new SealiftError('internal'); }
