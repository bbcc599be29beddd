/**
 * Serves the pages for looking at them, with a made-up SDK in place of the real one:
 * `npx vite --config portal/dev/vite.config.ts`, then open an address from states.ts.
 *
 * Never part of the build: nothing outside this folder refers to it.
 */
import { resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { define, parts } from '../../vite.config.ts';

const here = import.meta.dirname;

/** The relay's addresses, as `sealift-relay` serves them. */
function addresses(): Plugin {
  return {
    name: 'sealift-addresses',
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const path = (request.url ?? '/').split('?')[0] ?? '/';
        const page = /^\/p\/[^/]+$/.test(path) ? 'receive' : /^\/manage\/[^/]+$/.test(path) ? 'manage' : path === '/open' ? 'open' : null;
        if (page) request.url = `/${page}.html`;
        next();
      });
    },
  };
}

export default defineConfig({
  define,
  root: resolve(here, '..'),
  plugins: [parts(), addresses()],
  resolve: { alias: [{ find: /^(\.\.\/)+src\/sdk$/, replacement: resolve(here, 'fake-sdk.ts') }] },
  server: { host: '127.0.0.1', strictPort: false },
});
