/** The command line of `npm run chaos`. */
import { parseArgs } from 'node:util';
import { count } from '../../loadtest/arguments.ts';

export type ChaosCommand =
  /** All of test/chaos with its full numbers. */
  | { readonly kind: 'tests' }
  /** One seed with its history, or many. */
  | { readonly kind: 'simulate'; readonly seeds: number; readonly seed: number | null }
  /** Real servers and processes under load. */
  | { readonly kind: 'run'; readonly requests: number; readonly faults: number; readonly seed: number };

const MOST_SEED = 2 ** 31 - 1;

/** One line. */
export const USAGE =
  'npm run chaos [-- --simulate [--seeds N] [--seed S] | -- --requests N --faults N [--seed S]]; see docs/guarantees.md';

/** @throws Error whose message says what is wrong. */
export function readArguments(args: readonly string[]): ChaosCommand {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { simulate: { type: 'boolean' }, seeds: string, seed: string, requests: string, faults: string },
  });
  const seed = values.seed === undefined ? null : count('seed', values.seed, MOST_SEED);
  if (values.simulate) {
    if (values.requests !== undefined || values.faults !== undefined)
      throw new Error('--requests and --faults are of real servers, not of --simulate');
    const alone = seed !== null && values.seeds === undefined;
    return { kind: 'simulate', seeds: alone ? 1 : count('seeds', values.seeds ?? '1000', 10_000_000), seed };
  }
  if (values.seeds !== undefined) throw new Error('--seeds is of --simulate');
  if (values.requests === undefined && values.faults === undefined) {
    if (seed !== null) throw new Error('--seed needs --simulate, or --requests and --faults');
    return { kind: 'tests' };
  }
  const requests = count('requests', values.requests ?? '800', 1_000_000);
  const faults = count('faults', values.faults ?? '20', 10_000);
  return { kind: 'run', requests, faults, seed: seed ?? 1 + Math.floor(Math.random() * MOST_SEED) };
}
