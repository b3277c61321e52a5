/** Second by second: what was asked, what was answered, how late, and what went wrong. */
import type { Point } from './points.ts';

export interface Percentiles {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
}

export interface Moment {
  /** Arrivals, dropped ones included, per second. */
  readonly offered: number;
  /** Answers that ended well, per second. */
  readonly served: number;
  /** Requests and jobs open, on average. At the end of a second there may be none of many that were short. */
  readonly open: number;
  /** Lines of batches done, per second. */
  readonly lines: number;
  /** Of the answers that ended, ms. */
  readonly ttft: Percentiles;
  readonly queueWait: Percentiles;
  /** Output tokens per second, counted when the answer has ended. */
  readonly tokens: number;
  /** Per second, by kind. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface Timeline {
  /** Seconds that each moment stands for. */
  readonly stepS: number;
  readonly moments: readonly Moment[];
}

class Bucket {
  offered = 0;
  served = 0;
  lines = 0;
  /** Begun less ended. */
  opened = 0;
  /** The same, each times the seconds that were left of this one. */
  openS = 0;
  tokens = 0;
  readonly ttft: number[] = [];
  readonly queueWait: number[] = [];
  readonly errors = new Map<string, number>();
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
const MOST_MOMENTS = 120;

export class Recorder {
  readonly #buckets: Bucket[] = [];
  #startAt: number | null = null;

  add({ metric, at, value, tags }: Point): void {
    switch (metric) {
      case 'llm_requests': {
        this.#at(at).offered += value;
        this.#open(at, value);
        return;
      }
      case 'dropped_iterations':
        this.#at(at).offered += value;
        return;
      case 'llm_slo_good':
        // Once for each request or job that ended, well or not.
        if (tags['mode'] !== 'batch') this.#open(at, -1);
        return;
      case 'llm_e2e':
        if (tags['mode'] !== 'batch') this.#at(at).served++;
        return;
      case 'llm_batch_lines':
        this.#at(at).lines += value;
        return;
      case 'llm_ttft':
        this.#at(at).ttft.push(value);
        return;
      case 'llm_queue_wait':
        this.#at(at).queueWait.push(value);
        return;
      case 'llm_output_tokens':
        this.#at(at).tokens += value;
        return;
      case 'llm_errors': {
        const { errors } = this.#at(at);
        const kind = tags['kind'] ?? 'unknown';
        errors.set(kind, (errors.get(kind) ?? 0) + value);
      }
    }
  }

  /** The second that began so many seconds ago, or null before the first. */
  latest(now: number, agoS: number): Moment | null {
    if (this.#startAt === null) return null;
    const index = Math.floor((now - this.#startAt) / 1000) - agoS;
    if (index < 0) return null;
    const before = this.#buckets.slice(0, index).reduce((sum, { opened }) => sum + opened, 0);
    return momentOf([this.#buckets[index] ?? new Bucket()], 1, before);
  }

  timeline(): Timeline {
    const seconds = this.#buckets.length;
    const stepS = STEPS_S.find(step => seconds / step <= MOST_MOMENTS) ?? 3600;
    const moments: Moment[] = [];
    let before = 0;
    for (let from = 0; from < seconds; from += stepS) {
      const some = this.#buckets.slice(from, from + stepS);
      moments.push(momentOf(some, stepS, before));
      for (const { opened } of some) before += opened;
    }
    return { stepS, moments };
  }

  #open(time: number, change: number): void {
    const bucket = this.#at(time);
    bucket.opened += change;
    bucket.openS += change * (1 - ((time - (this.#startAt ?? time)) % 1000) / 1000);
  }

  #at(time: number): Bucket {
    // Samples are written in batches: an earlier one may turn up later.
    this.#startAt ??= time;
    while (time < this.#startAt) {
      this.#startAt -= 1000;
      this.#buckets.unshift(new Bucket());
    }
    const index = Math.floor((time - this.#startAt) / 1000);
    while (this.#buckets.length <= index) this.#buckets.push(new Bucket());
    return this.#buckets[index] ?? new Bucket();
  }
}

/** @param before open when the moment began. */
function momentOf(buckets: readonly Bucket[], stepS: number, before: number): Moment {
  const sum = (of: (bucket: Bucket) => number) =>
    rounded(buckets.reduce((total, bucket) => total + of(bucket), 0) / stepS);
  const kinds = new Set(buckets.flatMap(bucket => [...bucket.errors.keys()]));
  return {
    offered: sum(bucket => bucket.offered),
    served: sum(bucket => bucket.served),
    open: openOf(buckets, before),
    lines: sum(bucket => bucket.lines),
    ttft: percentiles(buckets.flatMap(bucket => bucket.ttft)),
    queueWait: percentiles(buckets.flatMap(bucket => bucket.queueWait)),
    tokens: sum(bucket => bucket.tokens),
    errors: Object.fromEntries([...kinds].map(kind => [kind, sum(bucket => bucket.errors.get(kind) ?? 0)])),
  };
}

function openOf(buckets: readonly Bucket[], before: number): number {
  let [open, sum] = [before, 0];
  for (const { opened, openS } of buckets) {
    sum += open + openS;
    open += opened;
  }
  return rounded(sum / buckets.length);
}

function percentiles(values: number[]): Percentiles {
  values.sort((a, b) => a - b);
  const at = (share: number) => {
    const value = values[Math.max(0, Math.ceil(share * values.length) - 1)];
    return value === undefined ? null : rounded(value);
  };
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
