// Looks at a page as it is now: pictures in light and dark, wide and narrow; axe-core; no scrolling sideways; the keyboard.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = process.env.SEALIFT_SCREENSHOTS;
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };

/** Takes the pictures and returns what is wrong. Leaves the page as it was. */
export async function look(page, name) {
  const faults = [];
  if (folder) await mkdir(folder, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const [size, viewport] of [['wide', WIDE], ['narrow', NARROW]]) {
      await page.setViewportSize(viewport);
      if (folder) await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${size}.png`), fullPage: true });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) faults.push(`${name}: scrolls sideways by ${over} px at ${viewport.width} px`);
    }
    await page.setViewportSize(WIDE);
    faults.push(...(await accessibility(page)).map((fault) => `${name} (${colorScheme}): ${fault}`));
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
  return faults;
}

/** The same, as a test. */
export async function looksRight(page, name) {
  assert.deepEqual(await look(page, name), []);
}

/** Presses Tab until the thing with that accessible name has the focus, and checks that the focus can be seen. */
export async function tabTo(page, name) {
  for (let presses = 0; presses < 60; presses += 1) {
    const [found, seen] = await page.evaluate(() => {
      const at = document.activeElement;
      const named = at?.getAttribute('aria-labelledby');
      const label = (named && document.getElementById(named)?.innerText) ?? at?.getAttribute('aria-label') ?? at?.labels?.[0]?.innerText ?? at?.innerText ?? '';
      const style = at ? getComputedStyle(at) : null;
      const around = at?.closest('.choice'); // shows the focus of its radio button
      const seen = style !== null && (style.outlineStyle !== 'none' || style.boxShadow !== 'none');
      return [label.trim(), seen || (around && getComputedStyle(around).outlineStyle !== 'none')];
    });
    if (found === name) {
      assert.ok(seen, `the focus on ${name} cannot be seen`);
      return;
    }
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${name}`);
}

async function accessibility(page) {
  await page.evaluate(axe); // through the inspector, which the page's policy does not bind
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
  });
}
