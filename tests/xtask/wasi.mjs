// Runs a test binary built for wasm32-wasip1: cargo's runner for the test group `wasm`.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [binary, ...rest] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [binary, ...rest], env: process.env, preopens: { '.': '.' } });
const module = await WebAssembly.compile(await readFile(binary));
const code = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
// Without the usual end: Node 20 crashes when it takes down the memory of a module that grew large. All output of the
// tests is written by then, by WASI itself.
process.reallyExit(code);
