// The pages, driven for measuring: what is timed starts and ends inside the page.

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
const UNSEALED = `{
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) =>
    make.call(URL, blob.type === 'text/javascript' ? new Blob([${JSON.stringify(COPIES_ONLY)}, blob], { type: blob.type }) : blob);
}`;

/** Sends files by the Send page without a password. Returns the seconds from the first byte to *Sent*, and the link. */
export async function timedSend(chromium, relay, files, { transport, lanes, unsealed = false, folder = false, during = null } = {}) {
  const query = new URLSearchParams();
  if (transport) query.set('transports', transport);
  if (lanes) query.set('lanes', lanes);
  const tab = await chromium.open(`${relay.url}/?${query}`, CLOCK + (unsealed ? UNSEALED : ''));
  await tab.until(`document.getElementById('compose-screen')?.hidden === false`);
  await tab.choose(folder ? '#pick-folder' : '#pick-files', files);
  await tab.until(`!document.getElementById('compose').hasAttribute('data-empty')`);
  await tab.run(`document.getElementById('no-password').click()`);
  const before = await during?.idle();
  await tab.run(`document.getElementById('send').click()`);
  const watching = during?.watch();
  await tab.until('marks.sent || marks.failed');
  const watched = await during?.end(before, watching);
  const marks = await tab.run('marks');
  if (!marks.sent) throw new Error(`the page says: ${marks.failed}`);
  const link = await tab.run(`document.getElementById('link').value`);
  await tab.close();
  return { seconds: (marks.sent - (marks.sending ?? marks.sent)) / 1000, link, watched };
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
