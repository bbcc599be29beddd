/** Sends a package. */
import type { Progress, SendOptions, SendResult, SendState } from './types';
import { noProgress } from './types';
import { SealiftError } from './error';

/** One package on its way. Events: `state`, `progress`, `transport` (detail `{transport, reason}`), `notice` (detail `{code, message}`). */
export class SendJob extends EventTarget {
  state: SendState = 'idle';
  progress: Progress;
  error: SealiftError | null = null;
  result: SendResult | null = null;

  constructor(readonly options: SendOptions) {
    super();
    this.progress = noProgress(options.files.reduce((sum, f) => sum + f.file.size, 0), options.files.length);
  }

  async start(): Promise<SendResult> { throw new SealiftError('internal'); }
  pause(): void {}
  resume(): void {}
  async cancel(): Promise<void> {}
  takeOver(): void {}
}
