/** Arrival rates over days: read from a table, or made with the shape of days that public ones have. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import arrivals from '../../workloads/data/arrivals.json' with { type: 'json' };
import { seededRandom, TraceError } from '../../workloads/trace.ts';

export interface RateTable {
  /** What it is, for people. */
  readonly source: string;
  /** Of each window. */
  readonly windowS: number;
  /** Requests a second, by window. */
  readonly rates: readonly number[];
}

/** Of generated tables, s. */
const WINDOW_S = 600;
const DAY_S = 86_400;
/** Standard deviation of the change from one window to the next, and how much of a deviation lasts: as ServeGen's pools have it. */
const CHANGE = 0.13;
const LASTS = 0.86;
const WEEKEND = 0.82;

/** A table with the day of ServeGen's pool m-large, quieter week-ends, and windows that differ by chance. The mean is 1. */
export function generatedRates(days: number, seed: number): RateTable {
  const random = seededRandom(seed);
  const { relative, windowS } = arrivals.day;
  const rates: number[] = [];
  let deviation = 0;
  for (let at = 0; at < days * DAY_S; at += WINDOW_S) {
    const place = (at % DAY_S) / windowS;
    const [a, b] = [Math.floor(place) % relative.length, Math.ceil(place) % relative.length];
    const usual = (relative[a] ?? 1) + (place % 1) * ((relative[b] ?? 1) - (relative[a] ?? 1));
    deviation = LASTS * deviation + CHANGE * normal(random);
    rates.push(usual * (Math.floor(at / DAY_S) % 7 >= 5 ? WEEKEND : 1) * Math.exp(deviation));
  }
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  return {
    source: `generated (${days} days of ServeGen's m-large, seed ${seed})`,
    windowS: WINDOW_S,
    rates: rates.map(rate => rate / mean),
  };
}

/**
 * A CSV with a header, of which `window_start_s` and `rate_rps` are read, one row a window; where it has a column `pool`, rows of that
 * pool only.
 * @throws TraceError that names the line and what is wrong with it.
 */
export function readRates(path: string, pool: string | null): RateTable {
  let text: string;
  try {
    const bytes = readFileSync(path);
    text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  } catch (err) {
    throw new TraceError(`${path} cannot be read: ${(err as Error).message}`);
  }
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const columns = header.split(',').map(name => name.trim());
  const [poolAt, startAt, rateAt] = ['pool', 'window_start_s', 'rate_rps'].map(name => columns.indexOf(name));
  if (startAt === -1 || rateAt === -1 || startAt === undefined || rateAt === undefined)
    throw new TraceError(`${path}: the first line has to name the columns window_start_s and rate_rps`);
  const rows: { start: number; rate: number }[] = [];
  for (const [i, line] of lines.entries()) {
    const cells = line.split(',');
    if (pool !== null && poolAt !== undefined && poolAt !== -1 && cells[poolAt] !== pool) continue;
    const [start, rate] = [Number(cells[startAt]), Number(cells[rateAt])];
    if (!Number.isFinite(start) || !Number.isFinite(rate) || rate < 0)
      throw new TraceError(
        `${path}:${i + 2}: window_start_s and rate_rps have to be numbers, the rate not below 0`,
      );
    rows.push({ start, rate });
  }
  return tableOf(path, pool, rows);
}

function tableOf(path: string, pool: string | null, rows: { start: number; rate: number }[]): RateTable {
  rows.sort((a, b) => a.start - b.start);
  const windowS = (rows[1]?.start ?? 0) - (rows[0]?.start ?? 0);
  if (rows.length < 2 || !(windowS > 0))
    throw new TraceError(
      `${path}: two windows or more are needed${pool === null ? '; name one pool with --pool' : ` of pool ${pool}`}, each with a start of its own`,
    );
  return {
    source: pool === null ? path : `${path}, pool ${pool}`,
    windowS,
    rates: rows.map(({ rate }) => rate),
  };
}

/** The first days of a table, with another mean; a table that is shorter begins again. */
export function scaled({ source, windowS, rates }: RateTable, days: number, mean: number): RateTable {
  const windows = Math.round((days * DAY_S) / windowS);
  const taken = Array.from({ length: windows }, (_, i) => rates[i % rates.length] ?? 0);
  const before = taken.reduce((sum, rate) => sum + rate, 0) / windows;
  if (!(before > 0)) throw new TraceError(`${source}: nothing arrives in its first ${days} days`);
  return { source, windowS, rates: taken.map(rate => (rate * mean) / before) };
}

/** Normally distributed, of mean 0 and deviation 1. */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
