// One table, written as Markdown: what was measured, how fast, and compared with what.
//
// A run replaces the sections of the groups that it measured and leaves the others as they are, so every group says
// itself when, on which commit and with what it was measured.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

const HEAD = `# How fast it is

Written by \`cargo xtask bench\`. All rows of a group were measured in one run, one after another, on one machine; values are
medians. Both ends run on the same cores, so the ratios matter more than the numbers.
`;

export class Table {
  #sections = [];
  #group = '';

  /** Says which group the next sections belong to. */
  group(name) {
    this.#group = name;
  }

  section(title, words = '') {
    this.#sections.push({ group: this.#group, title, words, rows: [] });
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
    if (this.#sections.at(-1)?.group !== this.#group) this.section(this.#group);
    this.#sections.at(-1).words += `\n\n**Not all of it could be measured**: ${why}`;
  }

  /** Says how a row stands to another, and to the target for that ratio if there is one: at least so much, or at most. */
  compare(row, other, target = null, { atMost = false } = {}) {
    if (!row || !other) return;
    const ratio = row.value / other.value;
    const reached = atMost ? ratio <= target : ratio >= target;
    const verdict = target === null ? '' : ` (target ${atMost ? 'at most ' : ''}${target}: ${reached ? 'reached' : '**missed**'})`;
    row.ratios.push(`${ratio.toFixed(2)} of ${other.name}${verdict}`);
    console.log(`  ${row.name}: ${row.ratios.at(-1)}`);
  }

  /**
   * Writes the file anew, with these sections and the other groups' as they stand there. `order` is that of the groups;
   * at the end stand the notes, which people write.
   */
  write(path, chromium, order) {
    const kept = existsSync(path) ? groups(readFileSync(path, 'utf8')) : new Map();
    const measured = run(chromium);
    for (const group of new Set(this.#sections.map(({ group }) => group))) {
      const sections = this.#sections.filter((section) => section.group === group).map(written);
      kept.set(group, `<!-- group: ${group} -->\n\n*${measured}*\n\n${sections.join('\n')}`);
    }
    const known = [...order, 'notes'].filter((group) => kept.has(group)).map((group) => kept.get(group).trim());
    writeFileSync(path, `${HEAD}\n${known.join('\n\n')}\n`);
  }
}

/** What stands in the file, by group. */
function groups(text) {
  const pieces = text.split(/^<!-- group: (\w+) -->$/m).slice(1);
  const found = new Map();
  for (let at = 0; at < pieces.length; at += 2) found.set(pieces[at], `<!-- group: ${pieces[at]} -->${pieces[at + 1]}`);
  return found;
}

/** When, where and with what. */
function run(chromium) {
  const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
  const dirty = git('status', '--porcelain', '--untracked-files=no', ':(exclude)tests/bench/RESULTS.md') ? ' with changes' : '';
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const machine = `${model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  return `Measured ${date} UTC at commit ${git('rev-parse', '--short', 'HEAD')}${dirty}, on ${machine}, with ${chromium}.`;
}

function written({ title, words, rows }) {
  const lines = [`## ${title}`, ''];
  if (words) lines.push(words, '');
  lines.push('| what | measured | compared |', '|---|---:|---|');
  for (const { name, value, unit, note, ratios } of rows) {
    lines.push(`| ${name}${note ? ` (${note})` : ''} | ${shown(value, unit)} | ${ratios.join('<br>')} |`);
  }
  return `${lines.join('\n')}\n`;
}

function shown(value, unit) {
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
}
