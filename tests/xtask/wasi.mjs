// Runs a test binary built for wasm32-wasip1: cargo's runner for the test group `wasm`.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [binary, ...rest] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [binary, ...rest], env: process.env, preopens: { '.': '.' } });
const module = await WebAssembly.compile(await readFile(binary));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
