// What a file of 4 GiB costs in memory, at each end: the most during the run minus the value before.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Chromium } from '../cdp.mjs';
import { LARGE_MIB, MIB, noise, program, residentBytes, server } from '../measure.mjs';
import { timedReceive, timedSend } from '../portal.mjs';

export async function memory(table, { folder, ramDisk, binaries }) {
  table.section(`Memory for a file of ${LARGE_MIB / 1024} GiB`, 'Over what was there before. Browser: proportional memory of the renderer; relay and command line: resident memory.');
  const file = await noise(folder, 'large.bin', LARGE_MIB);
  const data = join(folder, 'data');
  const relay = await server(join(binaries, 'sealift-relay'), ['serve', '--listen', '127.0.0.1:0', '--open-uploads', '--data', data]);
  const row = (name, bytes, most) => table.row(name, bytes / MIB, 'MiB', bytes / MIB <= most ? `at most ${most}: kept` : `at most ${most}: **not kept**`);

  let link;
  for (const [transport, lanes] of [['websocket', 1], ['websocket', 2], ['webtransport', 2]]) {
    const chromium = await Chromium.start();
    const sent = await timedSend(chromium, relay, [file], { transport, lanes, during: watch(chromium, relay) });
    link = sent.link;
    row(`browser, sending over ${transport}, lanes: ${lanes}`, sent.watched.renderer, 200);
    row(`relay meanwhile`, sent.watched.relay, 150);
    await chromium.close();
  }
  const chromium = await Chromium.start();
  const received = await timedReceive(chromium, link, { during: watch(chromium, relay) });
  row('browser, receiving', received.watched.renderer, 200);
  row('relay meanwhile', received.watched.relay, 150);
  await chromium.close();

  const sealift = join(binaries, 'sealift');
  const out = join(ramDisk, 'out');
  const idle = (await program(sealift, ['--version'])).peak;
  const peak = async (args, env) => (await program(sealift, [...args, '--quiet'], { env })).peak - idle;
  row('sealift send', await peak(['send', file, '--to', relay.url, '--no-password']), 150);
  row('sealift receive', await peak(['receive', '-o', out], { SEALIFT_LINK: link }), 150);
  await relay.stop();
  await Promise.all([file, data, out].map((path) => rm(path, { recursive: true, force: true })));
}

/** Looks at renderer and relay five times a second. */
function watch(chromium, relay) {
  const look = async () => ({ renderer: (await chromium.memory()).renderer, relay: await residentBytes(relay.pid) });
  let over = false;
  return {
    idle: look,
    async watch() {
      const most = { renderer: 0, relay: 0 };
      while (!over) {
        const now = await look();
        for (const kind of Object.keys(most)) most[kind] = Math.max(most[kind], now[kind]);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      return most;
    },
    async end(before, watching) {
      over = true;
      const most = await watching;
      return { renderer: most.renderer - before.renderer, relay: most.relay - before.relay };
    },
  };
}
