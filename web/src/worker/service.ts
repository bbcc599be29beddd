/**
 * The service worker that answers streamed downloads, for browsers that can neither pick a file nor stage one.
 *
 * A page announces a stream under a one-time random id and hands over a port; the browser then asks for
 * `/streamed/<id>`, and each piece is pulled through the port as the browser takes it. Nothing else is answered here,
 * and nothing is kept. The page pings while a stream runs, or Firefox ends the worker after 30 seconds.
 */
export {};

interface Announcement {
  id: string;
  name: string;
  bytes: number;
  port: MessagePort;
}

interface Scope {
  addEventListener(type: 'install' | 'activate', listener: (event: { waitUntil(done: Promise<unknown>): void }) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Announcement | 'ping'> & { waitUntil(done: Promise<unknown>): void }) => void): void;
  addEventListener(type: 'fetch', listener: (event: { request: Request; respondWith(response: Response): void }) => void): void;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
}

type Piece = { bytes: Uint8Array } | { end: true } | { error: true };

const scope = self as unknown as Scope;
const announced = new Map<string, Announcement>();

scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener('message', (event) => {
  if (event.data === 'ping') return event.waitUntil(Promise.resolve());
  announced.set(event.data.id, event.data);
  event.data.port.postMessage('announced');
});

scope.addEventListener('fetch', (event) => {
  const id = /^\/streamed\/([\w-]+)$/.exec(new URL(event.request.url).pathname)?.[1];
  const stream = id ? announced.get(id) : undefined;
  if (!id || !stream) return;
  announced.delete(id);
  event.respondWith(answer(stream));
});

function answer({ name, bytes, port }: Announcement): Response {
  const headers = {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}`,
    'content-length': String(bytes),
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'",
  };
  return new Response(pulled(port), { headers });
}

/** Ends with an error, never with a close, unless the other side says that all is verified. */
function pulled(port: MessagePort): ReadableStream<Uint8Array> {
  let arrived: ((piece: Piece) => void) | null = null;
  port.onmessage = ({ data }: MessageEvent<Piece>) => arrived?.(data);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await new Promise<Piece>((resolve) => {
          arrived = resolve;
          port.postMessage('pull');
        });
        if ('bytes' in piece) return controller.enqueue(piece.bytes);
        if ('error' in piece) return controller.error(new Error('the download was stopped'));
        controller.close();
        port.postMessage('closed');
      },
      cancel() {
        port.postMessage('cancel');
      },
    },
    { highWaterMark: 0 },
  );
}
