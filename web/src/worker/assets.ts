/**
 * Loads worker scripts and WebAssembly, checked before they run.
 *
 * A worker script is fetched with its integrity hash, made a blob, and started as one classic worker through the Trusted
 * Types policy `sealift`, of which this module is the only owner. A blob worker inherits the page's content security
 * policy; one started from a URL would have none of it. The hashes stand in the page's
 * `<meta name="sealift-integrity">`, written by the build after bundling. A saved page has no server: there the bytes
 * stand in `<template data-asset>` elements, and nothing is fetched.
 *
 * Start with `startWorker` and `wasmModule`.
 */
import { SealiftError } from '../sdk/error';

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** Blob URLs of checked scripts. */
const checked = new Set<string>();

/** Only what this module made itself and the one service worker may become a script. */
const policy = (() => {
  const rules = {
    createScriptURL(url: string): string {
      if (checked.has(url) || url === SERVICE_WORKER) return url;
      throw new TypeError('This script address is not allowed.');
    },
  };
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  return types ? types.createPolicy('sealift', rules) : rules;
})();

/** The service worker that answers streamed downloads. It must lie at the root, under a fixed name. */
export const SERVICE_WORKER = '/download-worker.js';

/** Registers the service worker for its own addresses only, through the policy, and waits until it runs. */
export async function registerServiceWorker(): Promise<ServiceWorker> {
  const registration = await navigator.serviceWorker.register(policy.createScriptURL(SERVICE_WORKER), { scope: '/streamed/' });
  const worker = registration.active ?? registration.waiting ?? registration.installing!;
  while (worker.state !== 'activated') {
    if (worker.state === 'redundant') throw new SealiftError('page_damaged');
    await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
  }
  return worker;
}

/** A checked script and its blob URL. */
interface Source {
  script: Blob;
  url: string;
}

/**
 * Fetches and checks a worker script, and starts it under a name that tells it what to be.
 *
 * The worker also gets the script itself, so that it can start siblings: in a saved page it may not use the page's URL.
 */
export async function startWorker(url: string, name: string): Promise<Worker> {
  const source = await workerSource(url);
  const worker = new Worker(policy.createScriptURL(source.url), { name });
  worker.postMessage({ script: source.script });
  return worker;
}

/** A checked script, to be handed to a worker that starts another one from it. */
export async function checkedScript(url: string): Promise<Blob> {
  return (await workerSource(url)).script;
}

/** Starts a worker from a script that was checked before, here or in the page. */
export function startChecked(script: Blob, name: string): Worker {
  return new Worker(policy.createScriptURL(asSource(script).url), { name });
}

/** In a worker: its own script. */
let own: Source | null = null;

if (typeof document === 'undefined') {
  self.addEventListener('message', ({ data }: MessageEvent<{ script?: unknown }>) => {
    if (data?.script instanceof Blob) own ??= asSource(data.script);
  });
}

/** In a worker: starts another one from the same script, which was checked when this one was started. */
export function startSibling(name: string): Worker {
  return new Worker(policy.createScriptURL(own!.url), { name });
}

function asSource(script: Blob): Source {
  const url = URL.createObjectURL(script);
  checked.add(url);
  return { script, url };
}

const sources = new Map<string, Promise<Source>>();
const modules = new Map<string, Promise<WebAssembly.Module>>();

/** A checked worker script, fetched once per page. */
function workerSource(url: string): Promise<Source> {
  return once(sources, url, async () => {
    const script = inlined(url) ?? (await (await fetchChecked(url)).arrayBuffer());
    return asSource(new Blob([script], { type: 'text/javascript' }));
  });
}

/** A checked and compiled WebAssembly module, made once per page. It can be posted to workers. */
export function wasmModule(url: string): Promise<WebAssembly.Module> {
  return once(modules, url, async () => {
    const bytes = inlined(url);
    return bytes ? WebAssembly.compile(bytes) : WebAssembly.compileStreaming(fetchChecked(url));
  });
}

function once<T>(cache: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let made = cache.get(key);
  if (!made) {
    made = make().catch((error) => {
      cache.delete(key); // a lost network must not stay lost
      throw SealiftError.from(error, 'page_damaged');
    });
    cache.set(key, made);
  }
  return made;
}

async function fetchChecked(url: string): Promise<Response> {
  const integrity = hashes()[new URL(url, document.baseURI).pathname];
  if (!integrity && import.meta.env.PROD) throw new SealiftError('page_damaged');
  const response = await fetch(url, integrity ? { integrity } : {});
  if (!response.ok) throw new SealiftError('page_damaged');
  return response;
}

let known: Record<string, string> | null = null;

function hashes(): Record<string, string> {
  if (!known) {
    const text = document.querySelector<HTMLMetaElement>('meta[name="sealift-integrity"]')?.content;
    known = text ? (JSON.parse(text) as Record<string, string>) : {};
  }
  return known;
}

/** The bytes of an asset that stands in the page itself, as base64. */
function inlined(url: string): Uint8Array<ArrayBuffer> | null {
  const path = new URL(url, 'https://page.invalid/').pathname;
  const template = document.querySelector<HTMLTemplateElement>(`template[data-asset="${CSS.escape(path)}"]`);
  const text = template?.content.textContent;
  if (!text) return null;
  const binary = atob(text.trim());
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}
