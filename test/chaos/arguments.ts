/** The command line of `npm run chaos`. */
import { parseArgs } from 'node:util';
import { count } from '../../loadtest/arguments.ts';
import type { Servers } from './harness/region.ts';

export type ChaosCommand =
  /** All of test/chaos with its full numbers. */
  | { readonly kind: 'tests' }
  /** One seed with its history, or many. */
  | { readonly kind: 'simulate'; readonly seeds: number; readonly seed: number | null }
  /** Real servers and processes under load. */
  | {
      readonly kind: 'run';
      readonly requests: number;
      readonly faults: number;
      readonly seed: number;
      /** How long it is asked, in place of a number of requests; null where that counts. */
      readonly minutes: number | null;
      /** The file to which the result is written. */
      readonly report: string | null;
      /** The kinds of faults that are done, by the beginning of their names; null for all. */
      readonly only: readonly string[] | null;
      /** Words of the longest answers. */
      readonly longest: number;
      readonly servers: Servers;
    };

const MOST_SEED = 2 ** 31 - 1;

/** One line. */
export const USAGE =
  'npm run chaos [-- --simulate [--seeds N] [--seed S] | -- (--requests N | --minutes N) --faults N [--only KIND,…] [--longest WORDS] [--nats three|small-disk] [--redis replica] [--clocks] [--seed S] [--report FILE]]; see docs/guarantees.md';

/** @throws Error whose message says what is wrong. */
export function readArguments(args: readonly string[]): ChaosCommand {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ simulate: { type: 'boolean' }, seeds: string, seed: string },
      ...{ requests: string, faults: string, minutes: string, report: string, only: string, longest: string },
      ...{ nats: string, redis: string, clocks: { type: 'boolean' } },
    },
  });
  const seed = values.seed === undefined ? null : count('seed', values.seed, MOST_SEED);
  const { requests: most, faults: done, minutes: lasts, report = null, only, longest } = values;
  const { nats, redis, clocks } = values;
  const isReal = [most, done, lasts, only, longest, nats, redis, clocks].some(value => value !== undefined);
  if (values.simulate) {
    if (isReal || report !== null)
      throw new Error(
        '--requests, --minutes, --faults, --only, --longest, --nats, --redis, --clocks and --report are of real servers, not of --simulate',
      );
    const alone = seed !== null && values.seeds === undefined;
    return { kind: 'simulate', seeds: alone ? 1 : count('seeds', values.seeds ?? '1000', 10_000_000), seed };
  }
  if (values.seeds !== undefined) throw new Error('--seeds is of --simulate');
  if (!isReal) {
    if (seed !== null || report !== null)
      throw new Error(
        `--${report === null ? 'seed needs --simulate, or' : 'report needs'} --requests, --minutes or --faults`,
      );
    return { kind: 'tests' };
  }
  if (most !== undefined && lasts !== undefined) throw new Error('either --requests or --minutes');
  const requests = count('requests', most ?? '800', 1_000_000);
  const faults = count('faults', done ?? '20', 10_000);
  const minutes = lasts === undefined ? null : count('minutes', lasts, 1440);
  const words = count('longest', longest ?? '125', 100_000);
  const servers = {
    nats: oneOf('nats', nats, ['one', 'three', 'small-disk']),
    redis: oneOf('redis', redis, ['one', 'replica']),
    clocks: clocks ?? false,
  };
  const drawn = seed ?? 1 + Math.floor(Math.random() * MOST_SEED);
  const kinds = only?.split(',').map(kind => kind.trim()) ?? null;
  return {
    kind: 'run',
    requests,
    faults,
    seed: drawn,
    minutes,
    report,
    only: kinds,
    longest: words,
    servers,
  };
}

/** The first where nothing is said. */
function oneOf<T extends string>(name: string, text: string | undefined, all: readonly [T, ...T[]]): T {
  const found = text === undefined ? all[0] : all.find(each => each === text);
  if (found === undefined) throw new Error(`--${name} is one of ${all.join(', ')}`);
  return found;
}
