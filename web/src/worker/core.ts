/**
 * The one script of all workers that seal and open; its name tells a worker what to be.
 *
 * One script, because the bindings to the WebAssembly module stand in it, and because a worker can start its siblings
 * from its own checked bytes without asking the page.
 */
import { beControl } from './control';
import { beKdf } from './kdf';
import { beLane } from './lane';
import { beOpener } from './open';

const roles = { control: beControl, lane: beLane, kdf: beKdf, open: beOpener };

export type CoreRole = keyof typeof roles;

roles[self.name as CoreRole]();
