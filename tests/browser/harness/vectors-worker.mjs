// Opens one `.sealift` file with the WebAssembly build, as the pages do, and says what came out in the words of
// tests/vectors/README.md. Runs in a worker, with the engine it is told to use.
import initRecipients, { openWithIdentities } from '/wasm/sealift_recipients.js';
import init, { LayoutFinder, PackageOpener, inspectKeyring, openKeyring, pickEngine } from '/wasm/sealift_client_wasm.js';

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unhex = (text) => text === undefined ? undefined : Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

/** An error with a code, as the bindings throw them. */
const failure = (code) => Object.assign(new Error(code), { code });

self.onmessage = async ({ data: { engine, vectors } }) => {
  await init({ module_or_path: '/wasm/sealift_client_wasm_bg.wasm' });
  await initRecipients({ module_or_path: '/wasm/sealift_recipients_bg.wasm' });
  const chosen = await pickEngine(engine);
  const verdicts = {};
  for (const { name, given, bytes } of vectors) {
    verdicts[name] = await sealift(given, bytes, chosen === 'webcrypto').catch(told);
  }
  self.postMessage({ chosen, verdicts });
};

function told(error) {
  const lines = [`expect: ${error.code ?? error}`];
  const at = /[Ss]egment (\d+) \(byte (\d+)/.exec(error.message);
  if (error.code === 'damaged_content' && at) lines.push(`at: segment ${at[1]} byte ${at[2]}`);
  return lines;
}

/** The order of the checks is that of the specification. */
async function sealift(given, bytes, webcrypto) {
  const finder = new LayoutFinder(bytes.length);
  for (let wants; (wants = finder.wants()); ) finder.supply(bytes.subarray(...wants));
  const layout = finder.finish();
  const cut = ([start, end]) => bytes.slice(start, end);
  const keyring = cut(layout.keyring);
  if (given.package && inspectKeyring(keyring).package !== base64url(unhex(given.package))) throw failure('package_mismatch');
  const opener = new PackageOpener(opened(given, keyring));
  const [first, ...rest] = layout.files;
  if (first.role !== 'manifest') {
    if (given.pin) throw failure('pin_mismatch');
    const segments = opener.alone(cut(first.head));
    return ['expect: success', await line(segments.metadata().path, await content(segments, cut(first.body), webcrypto))];
  }

  const manifest = opener.openManifest(cut(first.head), cut(first.body), unhex(given.pin));
  const contents = [];
  if (rest.some(({ file }) => !manifest.sealed.some((sealed) => sealed.file === file))) throw failure('content_mismatch');
  for (const [index, sealed] of manifest.sealed.entries()) {
    const section = rest.find(({ file }) => file === sealed.file);
    contents[index] = section && (await content(opener.file(index, cut(section.head)), cut(section.body), webcrypto));
  }
  const lines = ['expect: success'];
  if (manifest.title) lines.push(`title: ${manifest.title}`);
  if (manifest.note) lines.push(`note: ${await sha256(new TextEncoder().encode(manifest.note))}`);
  for (const folder of manifest.folders) lines.push(`folder: ${folder}`);
  const missing = [];
  for (const { path, sealed, offset, bytes: length } of manifest.files) {
    if (contents[sealed]) lines.push(await line(path, contents[sealed].slice(offset, offset + length)));
    else missing.push(`missing: ${path}`);
  }
  return [...lines, ...missing];
}

/** The package's key, by whatever was given. */
function opened(given, keyring) {
  if (given.identity) return openWithIdentities(keyring, given.identity.replaceAll(' ', '\n'));
  const password = given.password === undefined && given['link-secret'] ? undefined : (given.password ?? '').normalize('NFC');
  return openKeyring(keyring, password, unhex(given['link-secret']));
}

const line = async (path, plain) => `file: ${await sha256(plain)} ${plain.length} ${path}`;

async function content(segments, body, webcrypto) {
  const pieces = [];
  while (segments.next < segments.segmentCount) {
    const start = segments.sealedOffset(segments.next);
    pieces.push(await segments.open(body.slice(start, start + segments.sealedBytes(segments.next)), webcrypto));
  }
  segments.verifySeal(body.slice(segments.sealedOffset(segments.segmentCount)));
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
