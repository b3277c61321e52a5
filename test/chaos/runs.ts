/** What the engines say was run: that nothing ran twice but what was cut. */
import assert from 'node:assert/strict';
import type { RequestRecord, SimEngine } from '@penstock/engine-sim';
import type { Kill } from './kills.ts';

/** The engine hears of the broken connection within this after its worker was killed, ms; it may finish a run before it does. */
const HEARD_WITHIN_MS = 2000;
/** An answer is stored within this after the engine gave it, ms; what is younger when its worker dies may be lost with it. */
const STORED_WITHIN_MS = 2000;

export interface RunFigures {
  readonly asked: number;
  readonly runs: number;
  /** Questions that were run more than once. */
  readonly repeated: number;
  /** Attempts cut at the engine because their worker died, or because the broker did and gave the work to another. */
  readonly cut: number;
  /** Attempts that were finished, but whose worker died before their answer was stored. */
  readonly unstored: number;
}

type Run = RequestRecord & { readonly engine: number };

/** @throws AssertionError for a question that was never run, or run again though no kill cut the attempt. */
export function checkRuns(
  engines: readonly SimEngine[],
  hashes: readonly string[],
  kills: readonly Kill[],
): RunFigures {
  const runs = new Map<string, Run[]>(hashes.map(hash => [hash, []]));
  for (const [engine, sim] of engines.entries())
    for (const record of sim.stats().startedIds) runs.get(record.promptHash)?.push({ ...record, engine });
  const figures = { asked: hashes.length, runs: 0, repeated: 0, cut: 0, unstored: 0 };
  for (const [hash, all] of runs) {
    assert.ok(all.length > 0, `${hash} was never run`);
    const finished = all.filter(run => run.outcome === 'finished').sort((a, b) => a.endedAt - b.endedAt);
    assert.ok(finished.length > 0, `${hash} was never finished`);
    const needless = finished.slice(0, -1);
    const cut = all.filter(run => run.outcome !== 'finished');
    for (const run of [...cut, ...needless]) assert.ok(wasCut(run, kills), describe(run, all, kills));
    figures.runs += all.length;
    figures.repeated += all.length > 1 ? 1 : 0;
    figures.cut += cut.length;
    figures.unstored += needless.length;
  }
  return figures;
}

function wasCut(run: Run, kills: readonly Kill[]): boolean {
  return kills.some(({ engine, at }) => {
    if (engine !== 'any' && engine !== run.engine) return false;
    const sinceKill = run.endedAt - at;
    return sinceKill > -STORED_WITHIN_MS && sinceKill < HEARD_WITHIN_MS;
  });
}

function describe(run: Run, all: readonly Run[], kills: readonly Kill[]): string {
  const tell = (each: Run) => `engine ${each.engine} ${each.outcome} at ${each.endedAt} from ${each.from}`;
  return `run again without need: ${tell(run)}; all: ${all.map(tell).join(', ')}; kills: ${JSON.stringify(kills)}`;
}
