// `sealift encrypt` and `decrypt` on one core and a RAM disk, against rage, openssl and cp.
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LARGE_MIB, MIB, median, noise, program, rate } from '../measure.mjs';

const FILE_MIB = LARGE_MIB / 2;

export async function terminal(table, { ramDisk, binaries, tools }) {
  table.section('The command line', `One file of ${FILE_MIB / 1024} GiB on a RAM disk, one core unless said. Argon2id for the password is part of the time.`);
  const bytes = FILE_MIB * MIB;
  const file = await noise(ramDisk, 'plain', FILE_MIB);
  const out = join(ramDisk, 'out');
  const opened = join(ramDisk, 'opened');
  const env = { SEALIFT_PASSWORD: 'correct horse battery staple' };
  const measure = (command, args, core = 0) =>
    median(async () => {
      await rm(out, { recursive: true, force: true });
      return rate(bytes, (await program(command, args, { env, core })).seconds);
    });

  const sealift = join(binaries, 'sealift');
  const all = table.row('sealift encrypt, all cores', await measure(sealift, ['encrypt', file, '-o', out, '--quiet'], null), 'MB/s');
  const encrypt = table.row('sealift encrypt', await measure(sealift, ['encrypt', file, '-o', out, '--quiet']), 'MB/s');
  const decrypt = table.row(
    'sealift decrypt',
    await median(async () => {
      await rm(opened, { recursive: true, force: true });
      return rate(bytes, (await program(sealift, ['decrypt', out, '-o', opened, '--quiet'], { env, core: 0 })).seconds);
    }),
    'MB/s',
  );
  await rm(opened, { recursive: true, force: true });
  const cp = table.row('cp', await measure('cp', [file, out]), 'MB/s');
  const openssl = table.row('openssl speed, AES-256-GCM', opensslSpeed(), 'MB/s', '512 KiB blocks');
  table.compare(encrypt, cp.value < openssl.value ? cp : openssl, 0.8);
  table.compare(all, encrypt);

  const rage = join(tools, 'rage');
  const key = join(ramDisk, 'key');
  await rm(key, { force: true });
  execFileSync(join(tools, 'rage-keygen'), ['-o', key], { stdio: 'ignore' });
  const recipient = execFileSync(join(tools, 'rage-keygen'), ['-y', key], { encoding: 'utf8' }).trim();
  const sealed = table.row('rage', await measure(rage, ['-r', recipient, '-o', out, file]), 'MB/s', 'to a key, so without a password to derive');
  table.compare(encrypt, sealed, 2);
  const unsealed = await median(async () => {
    await rm(opened, { force: true });
    return rate(bytes, (await program(rage, ['-d', '-i', key, '-o', opened, out], { core: 0 })).seconds);
  });
  table.compare(decrypt, table.row('rage -d', unsealed, 'MB/s'));
  await Promise.all([file, out, opened, key].map((path) => rm(path, { recursive: true, force: true })));
}

/** Its own figure for one core, in MB/s. */
function opensslSpeed() {
  const output = execFileSync('openssl', ['speed', '-seconds', '3', '-bytes', '524288', '-evp', 'aes-256-gcm'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const kilobytes = /AES-256-GCM\s+([\d.]+)k/i.exec(output);
  return Number(kilobytes[1]) / 1000;
}
