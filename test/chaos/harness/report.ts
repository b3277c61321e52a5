/** What a run found, as it is written to a file: where, when, how much of what, and how long streams took to go on. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { Violation } from '../invariants.ts';
import type { Series } from './memory.ts';
import type { Seen } from './requests.ts';
import type { Election } from './server-faults.ts';

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  /** Requests by kind, and how they ended. */
  readonly asked: Readonly<Record<string, number>>;
  readonly ended: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly webhooks: number;
  /** Until the next token of streams whose worker was killed, from its death, ms. */
  readonly goesOnMs: { readonly streams: number; readonly p50: number; readonly p99: number } | null;
  /** Each election of a leader: how long there was none, and until a stream had its first token from then on, ms. */
  readonly elections: readonly { readonly withoutLeaderMs: number; readonly firstTokenMs: number | null }[];
  /** MB of each process, every so many ms. */
  readonly memory: { readonly everyMs: number; readonly mb: Series };
  readonly violations: readonly Violation[];
}

/** Something that was done. */
export interface Done {
  readonly name: string;
  readonly index: number;
  /** Unix ms. */
  readonly from: number;
  readonly to: number;
}

/** The token that was read before the death may still have been on its way, ms. */
const ON_ITS_WAY_MS = 200;

/** @param workers how many there are, in the order of their names. */
export function goesOn(
  seen: readonly Seen[],
  done: readonly Done[],
  workers: number,
): ChaosReport['goesOnMs'] {
  const deaths = done.filter(({ name }) => name === 'kill worker');
  const times = deaths.flatMap(({ index, from: diedAt }) =>
    seen.flatMap(({ worker, longestGap: gap, ends }) => {
      const isHit =
        worker === `w-${(index % workers) + 1}` &&
        ends[0]?.kind === 'answered' &&
        gap.from <= diedAt + ON_ITS_WAY_MS &&
        gap.to > diedAt + ON_ITS_WAY_MS;
      return isHit ? [gap.to - diedAt] : [];
    }),
  );
  if (times.length === 0) return null;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
  return { streams: times.length, p50: at(0.5), p99: at(0.99) };
}

/** Of streams that began after an election. */
export function firstTokens(seen: readonly Seen[], elections: readonly Election[]): ChaosReport['elections'] {
  const begun = seen.flatMap(({ beganAt }) => beganAt ?? []).sort((a, b) => a - b);
  return elections.map(({ killedAt, electedAt }) => {
    const first = begun.find(at => at > electedAt);
    return {
      withoutLeaderMs: electedAt - killedAt,
      firstTokenMs: first === undefined ? null : first - electedAt,
    };
  });
}

export function writeReport(file: string, command: string, report: ChaosReport): void {
  const [cpu] = cpus();
  const about = {
    command,
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    at: new Date().toISOString(),
    machine: `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GB`,
  };
  writeFileSync(file, `${inLines({ ...about, ...report })}\n`);
}

/** JSON with each series of numbers in one line. */
function inLines(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(/\[[\d\s,.]+\]/g, list => list.replaceAll(/\s+/g, ' '));
}
