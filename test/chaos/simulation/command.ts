/** `npm run chaos -- --simulate`: many seeds with what they find, or one with its history. */
import type { ChaosCommand } from '../arguments.ts';
import { planOf } from './plan.ts';
import { runSeeds } from './seeds.ts';
import { explain } from './shrink.ts';
import { simulate } from './simulate.ts';

/** Seeds between two lines about how far it is. */
const ROUND = 5000;
/** Seeds that are explained. */
const MOST_EXPLAINED = 3;

/** @returns whether everything held. */
export async function simulateSeeds({
  seeds,
  seed,
}: Extract<ChaosCommand, { kind: 'simulate' }>): Promise<boolean> {
  if (seeds === 1) return one(seed ?? 1);
  const first = seed ?? 1;
  const startedAt = performance.now();
  const failing: number[] = [];
  for (let done = 0; done < seeds; ) {
    const round = Math.min(ROUND, seeds - done);
    const report = await runSeeds(first + done, round);
    failing.push(...report.failing.map(found => found.seed));
    done += round;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const failed = failing.length === 0 ? 'none failed' : `failed: ${failing.join(' ')}`;
    say(`${done} of ${seeds} seeds, ${failed}, ${seconds} s; ended: ${JSON.stringify(report.ends)}`);
  }
  for (const each of failing.slice(0, MOST_EXPLAINED)) say(`\n${await explain(planOf(each))}`);
  return failing.length === 0;
}

async function one(seed: number): Promise<boolean> {
  const plan = planOf(seed);
  const { violations, history } = await simulate(plan, true);
  if (violations.length > 0) say(await explain(plan));
  else say([...history, `seed ${seed}: everything held`].join('\n'));
  return violations.length === 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
