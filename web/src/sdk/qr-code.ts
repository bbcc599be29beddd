/** A text as a QR code. The encoder is loaded only when one is wanted. */
import { startWorker } from '../worker/assets';
import { Caller } from '../worker/calls';
import workerUrl from '../worker/qr-code?worker&url';

/** Rows of modules, true where dark, with the white border that the standard asks for. */
export async function qrCode(text: string): Promise<boolean[][]> {
  const worker = new Caller(await startWorker(workerUrl, 'qr-code'));
  try {
    return await worker.call<boolean[][]>('encode', text);
  } finally {
    worker.end();
  }
}
