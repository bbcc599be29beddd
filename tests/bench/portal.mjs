// The pages, driven for measuring: what is timed starts and ends inside the page.
import { Chromium } from './cdp.mjs';

/** Marks when sending starts and when it is over; runs before the page's own scripts. */
const CLOCK = `
  globalThis.marks = {};
  new MutationObserver(() => {
    const shown = (id) => document.getElementById(id)?.hidden === false;
    const title = document.getElementById('progress-title')?.textContent ?? '';
    if (shown('progress-screen') && title.startsWith('Sending')) marks.sending ??= performance.now();
    if (shown('progress-screen') && title.startsWith('Downloading')) marks.downloading ??= performance.now();
    if (shown('sent-screen')) marks.sent ??= performance.now();
    if (shown('received-screen')) marks.received ??= performance.now();
    if (shown('failure-screen')) marks.failed ??= document.getElementById('failure-sentence').textContent;
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['hidden'] });
`;

/** Put in front of every worker: an encryption that only copies. Small pieces (keys, names) stay sealed. */
const COPIES_ONLY = `{
  const seal = SubtleCrypto.prototype.encrypt;
  SubtleCrypto.prototype.encrypt = function (algorithm, key, data) {
    if (data.byteLength < 65536) return seal.call(this, algorithm, key, data);
    const copy = new Uint8Array(data.byteLength + 16);
    copy.set(ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data));
    return Promise.resolve(copy.buffer);
  };
}`;
/** Hands the file's keys, which one worker posts to another, to whoever measures. */
const TELLS_KEYS = `{
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, transfer) {
    if (message?.making?.kind === 'seal') new BroadcastChannel('bench').postMessage(message.making.sealer.slice());
    return post.call(this, message, transfer);
  };
}`;

/** A script for the page that puts `code` in front of every worker it starts, and of those that they start. */
function inWorkers(code) {
  const before = (code) => `{
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) =>
      make.call(URL, blob.type === 'text/javascript' ? new Blob([${JSON.stringify(code)}, blob], { type: blob.type }) : blob);
  }`;
  return before(code + before(code));
}

/** Sends files by the Send page without a password. Returns the seconds from the first byte to *Sent*, and the link. */
export async function timedSend(chromium, relay, files, { transport, lanes, unsealed = false, folder = false, during = null, spy = '' } = {}) {
  const query = new URLSearchParams();
  if (transport) query.set('transports', transport);
  if (lanes) query.set('lanes', lanes);
  const tab = await chromium.open(`${relay.url}/?${query}`, CLOCK + (spy || (unsealed ? inWorkers(COPIES_ONLY) : '')));
  await tab.until(`document.getElementById('compose-screen')?.hidden === false`);
  await tab.choose(folder ? '#pick-folder' : '#pick-files', files);
  await tab.until(`document.getElementById('send').checkVisibility()`);
  await tab.run(`document.getElementById('no-password').click()`);
  const before = await during?.idle();
  await tab.run(`document.getElementById('send').click()`);
  const watching = during?.watch();
  await tab.until('marks.sent || marks.failed');
  const watched = await during?.end(before, watching);
  const marks = await tab.run('marks');
  if (!marks.sent) throw new Error(`the page says: ${marks.failed}`);
  const link = await tab.run(`document.getElementById('link').value`);
  const told = spy ? await tab.run('told') : null;
  await tab.close();
  return { told, seconds: (marks.sent - (marks.sending ?? marks.sent)) / 1000, link, watched };
}

/** Downloads everything of a link into the browser's private file system. Returns the seconds. */
export async function timedReceive(chromium, link, { during = null } = {}) {
  const url = new URL(link);
  url.search = 'into=opfs';
  const tab = await chromium.open(url.href, CLOCK);
  await tab.until(`document.getElementById('contents-screen')?.hidden === false || marks.failed`);
  const before = await during?.idle();
  await tab.run(`marks.start = performance.now(); document.getElementById('download-all').click()`);
  const watching = during?.watch();
  await tab.until('marks.received || marks.failed');
  const watched = await during?.end(before, watching);
  const marks = await tab.run('marks');
  if (!marks.received) throw new Error(`the page says: ${marks.failed}`);
  await tab.close();
  return { seconds: (marks.received - marks.start) / 1000, watched };
}

/** The keys of one uploaded file as base64, for sealing it again outside of the pages. */
export async function keysOfAnUpload(relay, file) {
  const chromium = await Chromium.start();
  const spy = `${inWorkers(TELLS_KEYS)}
    new BroadcastChannel('bench').onmessage = ({ data }) => (globalThis.told ??= btoa(String.fromCharCode(...data)));`;
  const { told } = await timedSend(chromium, relay, [file], { spy });
  await chromium.close();
  return told;
}
