// Seals one segment again and again, in a worker, with each engine and with WebCrypto bare.
import { initSync, LaneSealer } from '../../web/src/wasm/sealift_client_wasm.js';

const unpacked = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

onmessage = async ({ data: { module, exported, segments } }) => {
  initSync({ module: unpacked(module) });
  const sealer = new LaneSealer(unpacked(exported));
  const plaintext = new Uint8Array(sealer.plainBytes(0)).map((_, at) => at * 7);
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt']);
  const additionalData = new Uint8Array(9);
  const ways = {
    raw: () => crypto.subtle.encrypt({ name: 'AES-GCM', iv: crypto.getRandomValues(new Uint8Array(12)), additionalData }, key, plaintext),
    webcrypto: (index) => sealer.seal(index, plaintext, true),
    wasm: (index) => sealer.seal(index, plaintext, false),
  };
  const rates = {};
  for (const [name, seal] of Object.entries(ways)) {
    for (let index = 0; index < 20; index += 1) await seal(index);
    const start = performance.now();
    for (let index = 0; index < segments; index += 1) await seal(index);
    rates[name] = (segments * plaintext.length) / (performance.now() - start) / 1000;
  }
  postMessage(rates);
};
