/** Brings files of an opened package onto this computer. */
import type { DownloadState, Progress } from './types';
import { noProgress } from './types';
import { SealiftError } from './error';

/** Events: `state`, `progress`, `notice` (detail `{code, message}`). */
export class DownloadJob extends EventTarget {
  state: DownloadState = 'idle';
  progress: Progress = noProgress();
  error: SealiftError | null = null;

  async start(): Promise<void> { throw new SealiftError('internal'); }
  pause(): void {}
  resume(): void {}
  cancel(): void {}
}
