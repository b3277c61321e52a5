/** Runs a plan, and says what did not hold. */
import { judge, type Violation } from '../invariants.ts';
import type { Plan } from './plan.ts';
import { Region } from './region.ts';
import { Watch } from './watch.ts';

const realImmediate = setImmediate;

export interface Outcome {
  readonly violations: readonly Violation[];
  readonly history: readonly string[];
  /** How long it took in its own time, ms, and how much happened. */
  readonly ms: number;
  readonly events: number;
  readonly ends: Readonly<Record<string, number>>;
}

/** @param isTraced whether a history is kept. */
export async function simulate(plan: Plan, isTraced = false): Promise<Outcome> {
  const region = new Region(plan, isTraced);
  const { time } = region;
  const putBack = time.install();
  const unhandled = (err: unknown) => time.thrown.push(`rejected: ${(err as Error)?.stack}`);
  process.on('unhandledRejection', unhandled);
  try {
    const watch = new Watch(region);
    region.begin();
    watch.begin();
    await time.run(() => watch.isOver);
    // Rejections that nobody handles are told of once nothing else is to be done.
    await new Promise(resolve => realImmediate(resolve));
    watch.lookAtThrown();
    const ends: Record<string, number> = {};
    for (const { ends: all } of region.clients)
      for (const { kind } of all) ends[kind] = (ends[kind] ?? 0) + 1;
    const violations = [...watch.violations, ...region.clients.flatMap(({ observed }) => judge(observed))];
    return { violations, history: region.history, ms: time.now, events: time.events, ends };
  } finally {
    process.off('unhandledRejection', unhandled);
    putBack();
  }
}
