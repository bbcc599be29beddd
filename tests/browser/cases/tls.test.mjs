// Over TLS with a certificate from files, as a relay for others has it: pages, lanes of each transport, downloads.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser, saved } from '../harness/chromium.mjs';
import { Folder, tree } from '../harness/files.mjs';
import { addFiles, describe, downloadAll, openSend, percent, pressSend, receive, sent } from '../harness/portal.mjs';
import { Relay } from '../harness/relay.mjs';

let folder;
let relay;
let browser;

before(async () => {
  folder = await Folder.make();
  const [certificate, key] = ['certificate.pem', 'key.pem'].map((name) => join(folder.path, name));
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '10', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...made, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const publicKey = execFileSync('openssl', ['x509', '-in', certificate, '-pubkey', '-noout']);
  const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'der'], { input: publicKey });
  const hash = execFileSync('openssl', ['dgst', '-sha256', '-binary'], { input: der }).toString('base64');
  relay = await Relay.start('--tls-cert', certificate, '--tls-key', key);
  // The second switch lets WebTransport, too, trust an authority that the browser was not shipped with.
  browser = await Browser.start(`--ignore-certificate-errors-spki-list=${hash}`, '--webtransport-developer-mode');
});
after(() => Promise.all([browser?.close(), relay?.stop(), folder?.remove()]));

for (const [transport, name] of [['webtransport', 'WebTransport'], ['websocket', 'WebSocket']]) {
  test(`sent over TLS and ${name}, and received`, async () => {
    const files = await Folder.make();
    const path = await files.large('sealed twice.bin', 48);
    const context = await browser.profile();
    const page = await openSend(context, relay, { transport });
    await addFiles(page, [path]);
    await describe(page);
    await pressSend(page);
    await percent(page, 1);
    await page.getByText(`Connected over ${name}`).waitFor();
    const { link } = await sent(page);
    assert.match(link, /^https:\/\/localhost:/);
    const received = await receive(context, link);
    await downloadAll(received);
    assert.deepEqual(await saved(received), await tree(files.path));
    await context.close();
    await files.remove();
    assert.deepEqual(browser.faults.splice(0), [], 'policy violations, uncaught errors or foreign requests');
  });
}
