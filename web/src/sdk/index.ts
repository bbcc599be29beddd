/**
 * Sealift for web pages: send files sealed, open what others sent.
 *
 * Start with `SendJob` to send, `openLink` to receive, `openFiles` to open `.sealift` files without network.
 */
export { checkEnvironment } from './environment';
export { clearStaging } from './saving';
export { DownloadJob } from './download';
export { filesFromDirectory, filesFromDrop, filesFromInput } from './drop';
export { qrCode } from './qr-code';
export { makeIdentity, readIdentities, readRecipients, type Identity, type Recipient } from './recipients';
export { generatePassword, passwordRefusal, passwordStrength, type Strength } from './strength';
export { ManagedPackage, readManageLink, readSendLink, type ManagedInfo, type NewSlots } from './manage';
export { openFiles, openLink, Package, type Credential } from './package';
export { relayPolicy, relayReport, type RelayReport, type ProtectionPolicy, type RelayPolicy } from './relay';
export { versionEvents } from './version';
export { SealiftError } from './error';
export { SendJob } from './send';
export type { KeyringNeeds, KeySlot } from '../worker/kdf-answers';
export type {
  Contents, DownloadState, Entry, Progress, Proof, Protection, SaveInto, SendOptions, SendResult, SendState, SourceFile, Transport,
} from './types';
