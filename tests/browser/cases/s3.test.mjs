// What a browser sends lands in S3 under SSE-KMS, really encrypted on the storage device, and the page opens it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { downloadAll, receive, send } from '../harness/portal.mjs';
import { program, Relay } from '../harness/relay.mjs';

const KMS = 'server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=vk-1';
const offline = process.env.SEALIFT_TESTS === 'offline';
const ceph = {};
let folder;
let relay;
let browser;

before(async () => {
  if (offline) return;
  folder = await mkdtemp(join(tmpdir(), 'sealift-browser-s3-'));
  ceph.process = spawn(program('ceph'), ['1024'], { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: ceph.process.stdout })) {
    const [key, ...value] = line.split('=');
    ceph[key] = value.join('=');
    if (line.startsWith('listening on ')) {
      ceph.url = line.slice('listening on '.length);
      break;
    }
  }
  const config = join(folder, 'sealift.toml');
  await writeFile(config, `[docroots.default]\nurl = "${ceph.DOCROOT}${KMS}"\n`);
  [relay, browser] = await Promise.all([Relay.start('--config', config), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.close(), relay?.stop()]);
  ceph.process?.kill('SIGTERM');
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** A request signed as S3 wants it. */
function signed(method, path, query = '') {
  const { host } = new URL(ceph.url);
  const now = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${now.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const hash = (text) => createHash('sha256').update(text).digest('hex');
  const names = 'host;x-amz-content-sha256;x-amz-date';
  const canonical = [method, path, query, `host:${host}`, `x-amz-content-sha256:${hash('')}`, `x-amz-date:${now}`, '', names, hash('')].join('\n');
  const mac = (key, words) => createHmac('sha256', key).update(words).digest();
  const key = scope.split('/').reduce(mac, `AWS4${ceph.AWS_SECRET_ACCESS_KEY}`);
  const signature = createHmac('sha256', key).update(['AWS4-HMAC-SHA256', now, scope, hash(canonical)].join('\n')).digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${ceph.AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return fetch(`${ceph.url}${path}${query ? `?${query}` : ''}`, { method, headers: { 'x-amz-content-sha256': hash(''), 'x-amz-date': now, authorization } });
}

/** Every piece that lies on the storage device under a name. */
async function onDevice(name) {
  const rados = (...args) => execFileSync('rados', ['-c', ceph.CEPH_CONF, '-p', 'default.rgw.buckets.data', ...args], { encoding: 'utf8' });
  const pieces = [];
  for (const object of rados('ls').split('\n').filter((line) => line.includes(name))) {
    const file = join(folder, 'piece');
    rados('get', object, file);
    pieces.push(await readFile(file));
  }
  return pieces.filter((piece) => piece.length > 1000);
}

test('a browser upload lands in S3 under AWS_KMS, encrypted on the device, and opens in the page', { skip: offline && 'left out, because SEALIFT_TESTS=offline' }, async () => {
  const files = await Folder.make();
  const paths = [await files.file('large.bin', 20_000_000, 5), await files.file('small.txt', 'a few words')];
  const context = await browser.profile();
  const { link } = await send(context, relay, paths);
  const id = new URL(link).pathname.split('/').at(-1);
  const list = await (await signed('GET', '/bench', `list-type=2&prefix=${id}%2F`)).text();
  const bodies = [...list.matchAll(/<Key>([^<]+\.body)<\/Key>/g)].map((found) => found[1]);
  assert.ok(bodies.length >= 2, list);
  for (const key of bodies) {
    const head = await signed('HEAD', `/bench/${key}`);
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('x-amz-server-side-encryption'), 'aws:kms');
    assert.equal(head.headers.get('x-amz-server-side-encryption-aws-kms-key-id'), 'vk-1');
    const object = Buffer.from(await (await signed('GET', `/bench/${key}`)).arrayBuffer());
    const pieces = await onDevice(key);
    assert.ok(pieces.length > 0, `${key} is not on the device`);
    for (const piece of pieces) assert.equal(object.indexOf(piece.subarray(0, 64)), -1, 'the device holds what S3 gives out');
  }
  const page = await receive(context, link);
  await downloadAll(page);
  assert.deepEqual(await saved(page), await tree(files.path));
  await context.close();
  await files.remove();
});
