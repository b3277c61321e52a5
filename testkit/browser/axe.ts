/** What a page lacks for those who cannot see it, or use a mouse. */
import { readFileSync } from 'node:fs';
import type { Page } from './chromium.ts';

const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** What axe finds; empty where all is well. */
export async function findings(of: Page): Promise<string[]> {
  // By the debugger: the page's policy lets in no script from outside.
  await of.evaluate(`${AXE}; undefined`);
  const { violations } = await of.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
    "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
