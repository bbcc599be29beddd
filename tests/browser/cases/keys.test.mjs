// A package is never without a password because one was missing: the bindings have no such way.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../harness/chromium.mjs';

/** Built by `cargo xtask test browser`. */
const WASM = process.env.SEALIFT_VECTORS_WASM;
let browser;
let server;

before(async () => {
  assert.ok(WASM, 'SEALIFT_VECTORS_WASM is not set; run these tests by `cargo xtask test browser`');
  server = createServer(async ({ url }, response) => {
    response.setHeader('content-type', url.endsWith('.js') ? 'text/javascript' : url.endsWith('.wasm') ? 'application/wasm' : 'text/html');
    response.end(url.startsWith('/wasm/') ? await readFile(join(WASM, url.slice(6))) : '<!doctype html><title>keys</title>');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  browser = await Browser.start();
});
after(async () => {
  await browser?.close();
  server?.close();
});

test('a missing or empty password makes no package; one without a password is asked for by name', async () => {
  const page = await (await browser.profile()).newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  const found = await page.evaluate(async () => {
    const core = await import('/wasm/sealift_client_wasm.js');
    await core.default({ module_or_path: '/wasm/sealift_client_wasm_bg.wasm' });
    const needs = ({ keyring }) => {
      const { password, secret } = core.inspectKeyring(keyring);
      return { password, secret };
    };
    const refused = (password) => {
      try {
        return needs(core.makePasswordKeyring(password));
      } catch (error) {
        return error.code ?? error.name;
      }
    };
    return { empty: refused(''), missing: refused(undefined), nothing: refused(null), some: refused('some password'), link: needs(core.makeLinkKeyring()) };
  });
  assert.equal(found.empty, 'password_length');
  for (const refusal of [found.missing, found.nothing]) assert.equal(typeof refusal, 'string');
  assert.deepEqual(found.some, { password: true, secret: false });
  assert.deepEqual(found.link, { password: false, secret: true });
});
