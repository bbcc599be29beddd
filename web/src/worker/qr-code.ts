/** QR codes, in a worker of its own: the encoder is needed by few, and late. */
import encodeQR from 'qr';
import { serve } from './calls';

/** Modules of white around the code, as the standard asks. */
const QUIET = 4;

serve({
  encode: (text: string) => encodeQR(text, 'raw', { ecc: 'low', border: QUIET }),
});
