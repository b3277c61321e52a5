/** How fast and how busy the shards of a region are for each model, and which one a request goes to. */
import { decideShard, HEARTBEAT_MS, type ShardLoad, startsNow } from '@penstock/policy';
import type { Clock } from '@penstock/runtime';
import type { Member, Members } from './members.ts';
import { rateOf, waitLeftS } from './quote.ts';

/** Adding up a thousand workers for every request would cost more than the request; heartbeats are no newer than this, ms. */
const LOADS_FOR_MS = HEARTBEAT_MS;

interface ModelLoad {
  readonly shards: readonly ShardLoad[];
  readonly fastestTokensPerSec: number;
  readonly workers: number;
  readonly at: number;
  /** {@link Members.version} at the time. */
  readonly version: number;
}

export interface ShardLoadsOptions {
  readonly members: Members;
  readonly clock: Clock;
  /** Shards of the region, at least 1. */
  readonly shards: number;
  /** Uniform in [0, 1). */
  readonly rand: () => number;
}

export class ShardLoads {
  readonly #o: ShardLoadsOptions;
  /** By slug. */
  readonly #loads = new Map<string, ModelLoad>();

  constructor(options: ShardLoadsOptions) {
    this.#o = options;
  }

  /**
   * The shard for a request that any worker may take. If no shard serves the model now: one with a worker that did (it is sick,
   * drains, or is being restarted), since it will most likely come back there. If there is none either: any.
   */
  shardFor(slug: string): number {
    const { members, shards, rand } = this.#o;
    let loads = this.#loadOf(slug).shards;
    if (loads.length === 0) loads = this.#addUp(members.of(slug));
    if (loads.length === 0) return Math.floor(rand() * shards);
    return loads.length === 1 ? (loads[0]?.shard ?? 0) : decideShard(loads, [rand(), rand()]);
  }

  /** Wait before a new prompt of the model is begun, in the shard where it is shortest, s; 0 if no worker serves it. */
  waitS(slug: string): number {
    const waits = this.#loadOf(slug).shards.map(load => load.meanWaitS);
    return waits.length === 0 ? 0 : Math.min(...waits);
  }

  /** Prefill rate of the fastest worker of a model, tokens/s; 0 while none has learned its rate. */
  fastestTokensPerSec(slug: string): number {
    return this.#loadOf(slug).fastestTokensPerSec;
  }

  /** Requests that all workers of the model hold at once. */
  slots(slug: string): number {
    return this.#o.members.serving(slug).reduce((sum, { heartbeat }) => sum + heartbeat.slots, 0);
  }

  /** Workers that take work of the queue. */
  workersOf(slug: string): number {
    return this.#loadOf(slug).workers;
  }

  /** Of these, the mean prefill rate, tokens/s; 0 where there is none. */
  meanTokensPerSec(slug: string): number {
    const { shards, workers } = this.#loadOf(slug);
    return shards.reduce((sum, { tokensPerSec }) => sum + tokensPerSec, 0) / Math.max(1, workers);
  }

  /** Requests of so many prompt tokens that these would begin at once, by what they said last: nothing of one that does not say what it runs. */
  startsNow(slug: string, promptTokens: number): number {
    const now = this.#o.clock.monotonic();
    return this.#o.members.serving(slug).reduce((sum, { heartbeat, taken, quote }) => {
      const { slots, report } = heartbeat;
      if (report === undefined) return sum;
      const room = { slots, running: report.running + taken, tokensPerSec: rateOf(quote) };
      return sum + startsNow({ ...room, waitS: waitLeftS(quote, now) }, promptTokens);
    }, 0);
  }

  /** Whether a worker takes work of the queue. */
  isServed(slug: string): boolean {
    return this.#loadOf(slug).shards.length > 0;
  }

  /** Whether no worker of a shard serves the model while one of another shard does. */
  isStranded(slug: string, shard: number): boolean {
    const loads = this.#loadOf(slug).shards;
    return loads.length > 0 && !loads.some(load => load.shard === shard);
  }

  #loadOf(slug: string): ModelLoad {
    const { members, clock } = this.#o;
    const now = clock.monotonic();
    const known = this.#loads.get(slug);
    if (known !== undefined && known.version === members.version && now - known.at < LOADS_FOR_MS)
      return known;
    const serving = members.serving(slug);
    const fresh = {
      shards: this.#addUp(serving),
      fastestTokensPerSec: serving.reduce((most, { quote }) => Math.max(most, quote.tokensPerSec), 0),
      workers: serving.length,
      at: now,
      version: members.version,
    };
    this.#loads.set(slug, fresh);
    return fresh;
  }

  /** A shard's wait is the mean over its workers, weighted by their rates: the faster ones take more of what is sent there. */
  #addUp(members: readonly Member[]): ShardLoad[] {
    const now = this.#o.clock.monotonic();
    const sums = new Map<number, { tokensPerSec: number; waitTokens: number }>();
    for (const { heartbeat, quote } of members) {
      const sum = sums.get(heartbeat.shard) ?? { tokensPerSec: 0, waitTokens: 0 };
      sum.tokensPerSec += rateOf(quote);
      sum.waitTokens += waitLeftS(quote, now) * rateOf(quote);
      sums.set(heartbeat.shard, sum);
    }
    return [...sums].map(([shard, { tokensPerSec, waitTokens }]) => ({
      shard,
      tokensPerSec,
      meanWaitS: waitTokens / tokensPerSec,
    }));
  }
}
