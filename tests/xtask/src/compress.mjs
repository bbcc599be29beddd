// Writes a brotli copy next to every file of a folder that gets smaller by it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const folder = process.argv[1];
for (const name of readdirSync(folder, { recursive: true }).sort()) {
  if (!/\.(html|js|css|wasm|svg|json|txt)$/.test(name)) continue;
  const bytes = readFileSync(join(folder, name));
  const smaller = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  if (smaller.length < bytes.length) writeFileSync(join(folder, `${name}.br`), smaller);
}
