// The command line beside `cp`, `openssl` and rage, on a RAM disk, so that no disk is measured.
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LARGE_MIB, MIB, noise, program, rate, REPEATS } from '../measure.mjs';

const FILE_MIB = LARGE_MIB / 2;
const OPENSSL = 'openssl speed, AES-256-GCM';

export async function terminal(table, { ramDisk, binaries, tools }) {
  table.section('The command line', `One file of ${FILE_MIB / 1024} GiB on a RAM disk, one core unless said, each way once in every round. Argon2id for a password is part of the time.

What \`sealift encrypt\` takes longer than \`cp\` is the cipher, and that it copies each page twice, into the program and out, where \`cp\` lets the kernel copy once. Memory maps would save one, and are unsafe code.`);
  const at = (name) => join(ramDisk, name);
  const gone = (name) => rm(at(name), { recursive: true, force: true });
  const file = await noise(ramDisk, 'plain', FILE_MIB);
  const [sealift, rage, keygen] = [join(binaries, 'sealift'), join(tools, 'rage'), join(tools, 'rage-keygen')];
  const text = (command, args) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  text(keygen, ['-o', at('rage-key')]);
  text(sealift, ['keygen', '-o', at('key'), '--quiet']);
  const toRage = ['-r', text(keygen, ['-y', at('rage-key')])];
  const toKey = ['--recipient', text(sealift, ['keygen', '--show', at('key'), '--quiet'])];
  const encrypt = (made, ...more) => [made, sealift, 'encrypt', file, '-o', at(made), '--quiet', ...more];
  const decrypt = (from, ...more) => ['opened', sealift, 'decrypt', at(from), '-o', at('opened'), '--quiet', ...more];

  /** By name: what is made anew, and how. In this order, for what is opened was sealed before. */
  const ways = {
    cp: ['copy', 'cp', file, at('copy')],
    rage: ['aged', rage, ...toRage, '-o', at('aged'), file],
    'sealift encrypt, to a key': encrypt('keyed', ...toKey),
    'sealift encrypt, to a key, all cores': encrypt('keyed', ...toKey),
    'sealift encrypt': encrypt('sealed'),
    'sealift encrypt, all cores': encrypt('sealed'),
    'rage -d': ['opened', rage, '-d', '-i', at('rage-key'), '-o', at('opened'), at('aged')],
    'sealift decrypt, with a key': decrypt('keyed', '--identity', at('key')),
    'sealift decrypt': decrypt('sealed'),
  };
  const rates = Object.fromEntries([...Object.keys(ways), OPENSSL].map((name) => [name, []]));
  for (let round = 0; round < REPEATS; round += 1) {
    rates[OPENSSL].push(opensslSpeed());
    for (const [name, [made, command, ...args]] of Object.entries(ways)) {
      await gone(made);
      const env = name.includes('key') ? {} : { SEALIFT_PASSWORD: 'correct horse battery staple' };
      const { seconds } = await program(command, args, { env, core: name.endsWith('all cores') ? null : 0 });
      rates[name].push(rate(FILE_MIB * MIB, seconds));
    }
    await gone('copy');
    await gone('opened');
  }
  const row = (name, note = '') => table.row(name, rates[name].sort((a, b) => a - b)[Math.floor(REPEATS / 2)], 'MB/s', note);
  const [cp, openssl] = [row('cp'), row(OPENSSL, '512 KiB blocks, from memory')];
  const slower = cp.value < openssl.value ? cp : openssl;
  const [aged, unaged] = [row('rage', 'to a key'), row('rage -d', 'with a key')];
  const keyed = row('sealift encrypt, to a key');
  table.compare(keyed, slower, 0.8);
  table.compare(keyed, aged, 2);
  table.compare(row('sealift encrypt, to a key, all cores'), keyed);
  const sealed = row('sealift encrypt', 'with a password');
  table.compare(sealed, slower, 0.8);
  table.compare(sealed, aged);
  table.compare(row('sealift encrypt, all cores', 'with a password'), sealed);
  table.compare(row('sealift decrypt, with a key'), unaged);
  table.compare(row('sealift decrypt', 'with a password'), unaged);
  await Promise.all(['plain', 'aged', 'keyed', 'sealed', 'rage-key', 'key'].map(gone));
}

/** Its own figure for one core, in MB/s. */
function opensslSpeed() {
  const output = execFileSync('openssl', ['speed', '-seconds', '1', '-bytes', '524288', '-evp', 'aes-256-gcm'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const kilobytes = /AES-256-GCM\s+([\d.]+)k/i.exec(output);
  return Number(kilobytes[1]) / 1000;
}
