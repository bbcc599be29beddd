// Uploads through the relay into S3 with SSE-KMS, against the AWS CLI writing the same bytes to the same server;
// memory of the relay with many uploads at once; the first byte of a range.
import { spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MIB, UPLOAD_MIB, median, noise, peakBytes, program, rate, server } from '../measure.mjs';

const KMS = 'server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=vk-1';

export async function s3(table, { folder, ramDisk, binaries }) {
  await intoFolder(table, folder, ramDisk, binaries);
  table.section('S3 with SSE-KMS', `Ceph with a store in memory on the same cores; one file of ${UPLOAD_MIB} MiB; every request goes through its key service.`);
  const ceph = await start(join(binaries, 'ceph'), ['8192']);
  try {
    const relay = await relayOn(ceph, folder, binaries);
    try {
      await speed(table, ceph, relay, ramDisk, binaries);
      await firstByte(table, ceph, relay, ramDisk, binaries);
    } finally {
      await relay.stop();
    }
    for (const [count, most] of [[20, 150], [200, 600]]) await memory(table, ceph, count, most, { folder, ramDisk, binaries });
  } finally {
    ceph.stop();
  }
}

/** The docroot crate against dd: the same bytes into the same folder, every 8 MiB on the disk before the next ones. */
async function intoFolder(table, folder, ramDisk, binaries) {
  table.section('A folder docroot', `One file of ${UPLOAD_MIB} MiB from memory into a folder; every part of 8 MiB is synced before the next one begins, by dd too (oflag=dsync).`);
  const file = await noise(ramDisk, 'folder-upload', UPLOAD_MIB);
  const [docroot, copy] = [join(folder, 'bench-docroot'), join(folder, 'dd-copy')];
  const runs = { dd: [], one: [], four: [] };
  // Alternating, so that all meet the same disk.
  for (let run = 0; run < 3; run += 1) {
    const dd = await program('dd', [`if=${file}`, `of=${copy}`, 'bs=8M', 'oflag=dsync', 'status=none']);
    runs.dd.push(rate(UPLOAD_MIB * MIB, dd.seconds));
    await rm(copy);
    for (const [name, atOnce] of [['one', '1'], ['four', '4']]) {
      const { output } = await program(join(binaries, 'folder'), [file, docroot, atOnce]);
      runs[name].push(rate(UPLOAD_MIB * MIB, Number(output)));
    }
  }
  const middle = (values) => values.sort((a, b) => a - b)[1];
  const dd = table.row('dd, synced every 8 MiB', middle(runs.dd), 'MB/s');
  const one = table.row('folder docroot, one part at a time', middle(runs.one), 'MB/s', 'reserved, written in place, durable part by part, committed');
  table.compare(one, dd, 0.9);
  table.row('folder docroot, four parts at once', middle(runs.four), 'MB/s', 'as four lanes send them; parts that wait share a sync');
  await rm(file);
  await rm(docroot, { recursive: true, force: true });
}

/** Ceph, with what it says of itself. */
async function start(command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const env = { AWS_REGION: 'us-east-1', AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required' };
  for await (const line of createInterface({ input: child.stdout })) {
    const listening = /listening on (http:\S+)/.exec(line);
    const pair = /^([A-Z_]+)=(.*)$/.exec(line);
    if (pair) env[pair[1]] = pair[2];
    if (!listening) continue;
    const stop = () => child.kill('SIGTERM');
    // Deleted objects take room until Ceph is told to free it.
    const free = () => child.stdin.write('free\n');
    return { url: listening[1], env, stop, free };
  }
  throw new Error(`${command} ended before it listened; on Debian 12: apt-get install -y --no-install-recommends ceph-mon ceph-osd radosgw ceph-common`);
}

async function relayOn(ceph, folder, binaries) {
  const data = join(folder, 's3-data');
  await mkdir(data, { recursive: true });
  const config = join(folder, 'sealift.toml');
  await writeFile(config, `[docroots.default]\nurl = "${ceph.env.DOCROOT}${KMS}"\n`);
  return server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--data', data, '--open-uploads', '--config', config, '--lanes-per-address-max', '2000', '--lanes-max', '2000']);
}

const send = (binaries, relay, file) => program(join(binaries, 'sealift'), ['send', '--to', relay.url, '--no-password', '--json', file]);

async function speed(table, ceph, relay, ramDisk, binaries) {
  const file = await noise(ramDisk, 's3-upload', UPLOAD_MIB);
  const aws = ['--endpoint-url', ceph.url, 's3', 'cp', '--quiet', '--sse', 'aws:kms', '--sse-kms-key-id', 'vk-1', file, 's3://bench/direct'];
  // Alternating, so that both meet the same machine.
  const runs = { cli: [], relay: [] };
  for (let run = 0; run < 3; run += 1) {
    runs.cli.push(rate(UPLOAD_MIB * MIB, (await program('aws', aws, { env: ceph.env })).seconds));
    runs.relay.push(rate(UPLOAD_MIB * MIB, (await send(binaries, relay, file)).seconds));
  }
  const middle = (values) => values.sort((a, b) => a - b)[1];
  const direct = table.row('aws s3 cp', middle(runs.cli), 'MB/s', 'multipart, its own defaults');
  const ours = table.row('sealift send, through the relay', middle(runs.relay), 'MB/s', 'sealing on the same cores');
  table.compare(ours, direct, 0.9);
  await rm(file);
}

async function firstByte(table, ceph, relay, ramDisk, binaries) {
  const file = await noise(ramDisk, 's3-range', 64);
  const { output } = await send(binaries, relay, file);
  const link = output.split('\n').flatMap((line) => (line ? [JSON.parse(line)] : [])).find((event) => event.event === 'sent').receive_link;
  const id = new URL(link).pathname.split('/').at(-1);
  const key = `/bench/${id}`;
  const list = await signed(ceph, 'GET', '/bench', `list-type=2&prefix=${id}%2F`);
  const body = [...(await list.text()).matchAll(/<Key>([^<]+)<\/Key>[\s\S]*?<Size>(\d+)<\/Size>/g)].sort((a, b) => b[2] - a[2])[0][1];
  const fileId = body.split('/')[1].replace('.body', '');
  const millis = async (ask) => {
    const begin = process.hrtime.bigint();
    const answer = await ask();
    const reader = answer.body.getReader();
    await reader.read();
    const time = Number(process.hrtime.bigint() - begin) / 1e6;
    await reader.cancel();
    if (answer.status !== 206) throw new Error(`status ${answer.status}`);
    return time;
  };
  const range = { Range: 'bytes=30000000-38000000' };
  const direct = await median(() => millis(() => signed(ceph, 'GET', `/bench/${body}`, '', range)), 15);
  const through = await median(() => millis(() => fetch(`${relay.url}/api/packages/${id}/files/${fileId}`, { headers: range })), 15);
  table.row('first byte of a range, GET at the server', direct, 'ms', key.length > 0 ? 'signed request' : '');
  table.row('first byte of a range, through the relay', through, 'ms', `${(through / direct).toFixed(2)} of the direct one (target 1.5: ${through / direct <= 1.5 ? 'reached' : '**missed**'})`);
  await rm(file);
}

/** Many uploads at once, each of several parts; the relay's highest memory. */
async function memory(table, ceph, count, most, places) {
  ceph.free();
  const relay = await relayOn(ceph, places.folder, places.binaries);
  const file = await noise(places.ramDisk, 's3-many', 20);
  const before = await peakBytes(relay.pid);
  await Promise.all(Array.from({ length: count }, () => send(places.binaries, relay, file)));
  const peak = await peakBytes(relay.pid);
  await relay.stop();
  await rm(file);
  const verdict = peak <= most * MIB ? 'reached' : '**missed**';
  table.row(`relay, ${count} uploads at once`, peak / MIB, 'MiB', `peak; ${Math.round(before / MIB)} before; target ${most}: ${verdict}`);
}

/** A request signed as S3 wants it. */
function signed(ceph, method, path, query = '', headers = {}) {
  const { host } = new URL(ceph.url);
  const now = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${now.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const empty = createHash('sha256').update('').digest('hex');
  const names = 'host;x-amz-content-sha256;x-amz-date';
  const canonical = [method, path, query, `host:${host}`, `x-amz-content-sha256:${empty}`, `x-amz-date:${now}`, '', names, empty].join('\n');
  const text = ['AWS4-HMAC-SHA256', now, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const mac = (key, words) => createHmac('sha256', key).update(words).digest();
  const key = scope.split('/').reduce(mac, `AWS4${ceph.env.AWS_SECRET_ACCESS_KEY}`);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${ceph.env.AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return fetch(`${ceph.url}${path}${query ? `?${query}` : ''}`, { method, headers: { ...headers, 'x-amz-content-sha256': empty, 'x-amz-date': now, authorization } });
}
