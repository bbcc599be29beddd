/** What a page and the control worker say to each other. */
import type { Progress, Protection, SendResult, SendState, SourceFile, Transport } from '../sdk/types';
import type { RecipientsCode } from '../sdk/recipients';
import type { Engine } from './lane-messages';

/** All that is needed to send: the checked module, and what the person chose. */
export interface SendOrder {
  module: WebAssembly.Module;
  /** Origin of the relay. */
  relay: string;
  files: SourceFile[];
  folders: string[];
  title: string;
  note: string;
  protection: Protection;
  /** The code for public keys, when there are recipients. */
  recipientsCode: RecipientsCode | null;
  expiresInSeconds: number | null;
  grant: string | null;
  transports: Transport[];
  lanesMax: number;
  engine: Engine | 'auto';
}

export type ToControl =
  | { type: 'start'; order: SendOrder }
  | { type: 'pause' | 'resume' | 'cancel' | 'takeOver' | 'thawed' };

export type FromControl =
  | { type: 'state'; state: SendState }
  /** `confirmed`: nothing is left at the relay. */
  | { type: 'cancelled'; confirmed: boolean }
  | { type: 'progress'; progress: Progress }
  | { type: 'transport'; transport: Transport; reason: string }
  | { type: 'notice'; code: string }
  | { type: 'created'; packageId: string; manageLink: string }
  | { type: 'sent'; result: SendResult }
  | { type: 'failed'; code: string; message?: string; path: string | null };
