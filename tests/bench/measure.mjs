// Medians, and programs that are started for being measured.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const MIB = 1 << 20;
export const REPEATS = Number(process.env.SEALIFT_BENCH_REPEATS ?? 3);
export const LARGE_MIB = Number(process.env.SEALIFT_BENCH_LARGE_MIB ?? 4096);
export const UPLOAD_MIB = Number(process.env.SEALIFT_BENCH_MIB ?? 512);

/** The median of several runs of a measurement. */
export async function median(measure, repeats = REPEATS) {
  const results = [];
  for (let run = 0; run < repeats; run += 1) results.push(await measure());
  return results.sort((a, b) => a - b)[Math.floor(results.length / 2)];
}

/** Starts a server that says `listening on http://…`, and returns its address and how to stop it. */
export async function server(program, args, { env = {} } = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...env } });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /listening on http:\/\/[^:]+:(\d+)/.exec(line);
    if (!found) continue;
    child.stdout.resume();
    const stop = async () => {
      child.kill('SIGTERM');
      await exited;
    };
    return { url: `http://localhost:${found[1]}`, port: Number(found[1]), pid: child.pid, stop };
  }
  throw new Error(`${program} ended before it listened`);
}

/** Runs a program to its end; returns its seconds, its output and its highest memory in bytes. */
export async function program(command, args, { input, env = {}, core = null } = {}) {
  const pinned = core === null ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
  const start = process.hrtime.bigint();
  const child = spawn(...pinned, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  let errors = '';
  let peak = 0;
  child.stdout.on('data', (piece) => (output += piece));
  child.stderr.on('data', (piece) => (errors += piece));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const watch = setInterval(async () => (peak = Math.max(peak, await peakBytes(child.pid))), 100);
  const [code] = await once(child, 'close');
  clearInterval(watch);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed (${code}): ${errors.slice(-2000)}`);
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, output, errors, peak };
}

/** The most memory that a process has had so far, in bytes. */
export async function peakBytes(pid) {
  return statusBytes(pid, 'VmHWM');
}

/** The memory that a process has now, in bytes. */
export async function residentBytes(pid) {
  return statusBytes(pid, 'VmRSS');
}

async function statusBytes(pid, name) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
}

/** A file of random bytes: one random block again and again, each time with its number. */
export async function noise(folder, name, mebibytes) {
  const path = join(folder, name);
  const block = Buffer.alloc(MIB);
  crypto.getRandomValues(block.subarray(0, 65_536));
  for (let at = 65_536; at < MIB; at += 65_536) block.copy(block, at, 0, 65_536);
  const file = await open(path, 'w');
  for (let number = 0; number < mebibytes; number += 1) {
    block.writeUInt32BE(number, 0);
    await file.write(block);
  }
  await file.close();
  return path;
}

export const rate = (bytes, seconds) => bytes / seconds / 1e6;
