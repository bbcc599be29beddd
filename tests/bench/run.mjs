// Runs the named groups of measurements, or all, and writes RESULTS.md. Started by `cargo xtask bench`.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { download } from './rows/download.mjs';
import { memory } from './rows/memory.mjs';
import { s3 } from './rows/s3.mjs';
import { seal } from './rows/seal.mjs';
import { small } from './rows/small.mjs';
import { terminal } from './rows/terminal.mjs';
import { upload } from './rows/upload.mjs';
import { Table } from './table.mjs';

const GROUPS = { seal, upload, download, terminal, small, memory, s3 };

/** Groups that belong to another one: whoever asks for it gets both. */
const WITH = { seal: ['terminal'] };

const names = [...new Set(process.argv.slice(2).flatMap((name) => [name, ...(WITH[name] ?? [])]))];
const unknown = names.find((name) => !(name in GROUPS));
if (unknown) {
  console.error(`there is no measurement \`${unknown}\`; there are ${Object.keys(GROUPS).join(', ')}`);
  process.exit(1);
}

const table = new Table();
const [folder, ramDisk] = await Promise.all([mkdtemp(join(tmpdir(), 'sealift-bench-')), mkdtemp('/dev/shm/sealift-bench-')]);
try {
  const places = { folder, ramDisk, binaries: process.env.SEALIFT_BINARIES, tools: process.env.SEALIFT_TOOLS };
  for (const [name, measure] of Object.entries(GROUPS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    table.group(name);
    try {
      await measure(table, places);
    } catch (error) {
      // The others are worth having all the same.
      console.error(error);
      table.missing(error.message);
      process.exitCode = 1;
    }
  }
} finally {
  await Promise.all([folder, ramDisk].map((path) => rm(path, { recursive: true, force: true })));
}
const version = execFileSync(process.env.CHROMIUM, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
table.write(join(import.meta.dirname, 'RESULTS.md'), version.trim(), Object.keys(GROUPS));
