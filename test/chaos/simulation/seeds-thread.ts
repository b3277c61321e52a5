/** A thread that simulates seeds one after the other; with a fix of the product taken out, if it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SeedsOrder, SeedsReport } from './seeds.ts';
import { takeOut } from './take-out.ts';

const order = workerData as SeedsOrder;
if (order.mutation !== null) takeOut(order.mutation);
const { planOf } = await import('./plan.ts');
const { simulate } = await import('./simulate.ts');

const report: SeedsReport = { seeds: 0, events: 0, ms: 0, failing: [], ends: {} };
for (let seed = order.from; seed < order.from + order.step * order.count; seed += order.step) {
  const { violations, events, ms, ends } = await simulate(planOf(seed, order.mutation?.focus));
  report.seeds++;
  report.events += events;
  report.ms += ms;
  for (const [kind, count] of Object.entries(ends)) report.ends[kind] = (report.ends[kind] ?? 0) + count;
  if (violations.length === 0) continue;
  report.failing.push({ seed, violations });
  if (order.mutation !== null) break;
}
parentPort?.postMessage(report);
