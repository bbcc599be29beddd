// A cache in front of a relay that keeps pages for good, as a careless proxy does, and holds an older version of them.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

const CURRENT = /`\d+\.\d+\.\d+`/g;

export class StaleCache {
  #kept = new Map();
  /** Addresses of pages that were asked of the relay itself. */
  passed = [];

  /** Every page that is asked for now and later under an address that it knows is of version `older`. */
  static async before(relay, older) {
    const cache = new StaleCache();
    cache.relay = relay;
    cache.older = older;
    cache.server = createServer((request, response) => cache.#answer(request, response).catch(() => response.destroy()));
    cache.server.listen(0, '127.0.0.1');
    await once(cache.server, 'listening');
    cache.url = `http://localhost:${cache.server.address().port}`;
    await cache.#keep('/');
    return cache;
  }

  /** The page as it was in the older version: the script with the version in it is another one, and so is its hash. */
  async #keep(path) {
    const response = await this.#ask(path);
    let page = await response.text();
    for (const [, script] of page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)) {
      const text = await (await this.#ask(script)).text();
      const old = text.replaceAll(CURRENT, `\`${this.older}\``);
      if (old === text) continue;
      page = page.replaceAll(sha384(text), sha384(old));
      this.#kept.set(script, { body: old, type: 'text/javascript', control: 'no-store', once: true });
    }
    const headers = response.headers.get('content-security-policy');
    this.#kept.set(path, { body: page, type: 'text/html; charset=utf-8', control: 'public, max-age=31536000, immutable', policy: headers });
  }

  #ask(path, init = {}) {
    return fetch(this.relay.url + path, { redirect: 'manual', ...init });
  }

  async #answer(request, response) {
    const kept = this.#kept.get(request.url);
    const past = /no-cache|no-store/.test(request.headers['cache-control'] ?? '');
    if (kept && !past) {
      const headers = { 'content-type': kept.type, 'cache-control': kept.control, ...(kept.policy && { 'content-security-policy': kept.policy }) };
      return response.writeHead(200, headers).end(kept.body);
    }
    if (kept || request.url.startsWith('/?')) {
      this.passed.push(request.url);
      for (const [path, { once }] of this.#kept) if (once) this.#kept.delete(path); // the new page has scripts of its own
      this.#kept.delete(request.url);
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host: _, connection: __, ...headers } = request.headers;
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
    const answer = await this.#ask(request.url, { method: request.method, headers: { ...headers, 'accept-encoding': 'identity' }, body });
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => name !== 'content-length' && name !== 'transfer-encoding')));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function sha384(text) {
  return `sha384-${createHash('sha384').update(text).digest('base64')}`;
}
