/**
 * Builds the portal's pages into `dist`: `index.html` (Send), `receive.html`, `open.html`, `manage.html`, `unknown.html`.
 *
 * Nothing is inlined and nothing is loaded on demand as a chunk, so that `cargo xtask build` can give every script,
 * worker, style and WASM file its integrity hash afterwards.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const here = import.meta.dirname;

/** Replaces `<!-- part: NAME -->` with `portal/parts/NAME.html`, in parts too: what pages share stays written once. */
export function parts(): Plugin {
  const filled = (html: string): string =>
    html.replace(/^ *<!-- part: ([a-z]+) -->/gm, (_, name: string) => filled(readFileSync(resolve(here, `portal/parts/${name}.html`), 'utf8').trimEnd()));
  return { name: 'sealift-parts', transformIndexHtml: { order: 'pre', handler: filled } };
}

/** This version, the same in pages and workers. */
export const define = {
  __SEALIFT_VERSION__: JSON.stringify((JSON.parse(readFileSync(resolve(here, 'package.json'), 'utf8')) as { version: string }).version),
};

export default defineConfig({
  define,
  root: resolve(here, 'portal'),
  base: '/',
  publicDir: false,
  plugins: [parts()],
  worker: { format: 'iife' },
  build: {
    target: 'es2022',
    outDir: resolve(here, 'dist'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: resolve(here, 'portal/index.html'),
        receive: resolve(here, 'portal/receive.html'),
        open: resolve(here, 'portal/open.html'),
        manage: resolve(here, 'portal/manage.html'),
        unknown: resolve(here, 'portal/unknown.html'),
        'download-worker': resolve(here, 'src/worker/service.ts'),
      },
      output: {
        // The service worker keeps its name and lies at the top, since its scope is the folder it comes from.
        entryFileNames: (chunk) => (chunk.name === 'download-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
