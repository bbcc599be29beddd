// One table, written as Markdown: what was measured, how fast, and compared with what.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export class Table {
  #sections = [];

  section(title, words = '') {
    this.#sections.push({ title, words, rows: [] });
    console.log(`\n${title}`);
  }

  /** One measured value. */
  row(name, value, unit, note = '') {
    const row = { name, value, unit, note, ratios: [] };
    this.#sections.at(-1).rows.push(row);
    console.log(`  ${name}: ${shown(value, unit)}${note ? ` (${note})` : ''}`);
    return row;
  }

  /** Says that the rest of a section could not be measured. */
  missing(why) {
    this.#sections.at(-1).words += `\n\n**Not all of it could be measured**: ${why}`;
  }

  /** Says how a row stands to another, and to the target for that ratio if there is one. */
  compare(row, other, target = null) {
    if (!row || !other) return;
    const ratio = row.value / other.value;
    const verdict = target === null ? '' : ratio >= target ? ` (target ${target}: reached)` : ` (target ${target}: **missed**)`;
    row.ratios.push(`${ratio.toFixed(2)} of ${other.name}${verdict}`);
    console.log(`  ${row.name}: ${row.ratios.at(-1)}`);
  }

  write(path, chromium) {
    const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8' }).trim();
    const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
    const dirty = run('git', 'status', '--porcelain', '--untracked-files=no') ? ' with changes' : '';
    const lines = [
      '# How fast it is',
      '',
      'Written by `cargo xtask bench`. All rows of a section were measured in one run, one after another, on one machine;',
      'values are medians. Both ends run on the same cores, so the ratios matter more than the numbers.',
      '',
      `- date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
      `- machine: ${model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
      `- browser: ${chromium}`,
      `- commit: ${run('git', 'rev-parse', '--short', 'HEAD')}${dirty}`,
    ];
    for (const { title, words, rows } of this.#sections) {
      lines.push('', `## ${title}`, '');
      if (words) lines.push(words, '');
      lines.push('| what | measured | compared |', '|---|---:|---|');
      for (const { name, value, unit, note, ratios } of rows) {
        lines.push(`| ${name}${note ? ` (${note})` : ''} | ${shown(value, unit)} | ${ratios.join('<br>')} |`);
      }
    }
    writeFileSync(path, `${lines.join('\n')}\n`);
  }
}

function shown(value, unit) {
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
}
