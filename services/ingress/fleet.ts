/** Who is alive, what they serve and how soon: from heartbeats, and between them from the quotes on reply packets. */
import {
  type Affinity,
  type Candidate,
  decideShard,
  defaultAffinity,
  FORGOTTEN_AFTER_MS,
  LOST_AFTER_MS,
  learnTrust,
  mayBeCached,
  type ShardLoad,
} from '@penstock/policy';
import {
  type Heartbeat,
  heartbeatFilter,
  type ModelInfo,
  type Quote,
  readHeartbeat,
  readModelInfo,
  stickyFilter,
  workStream,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ModelRegistry, WorkQueue } from '@penstock/transport';

interface Member {
  readonly heartbeat: Heartbeat;
  readonly seenAt: number;
  /** How far to rely on what its cache is believed to hold, 0–1; see {@link learnTrust}. */
  trust: number;
  /** Silent for too long, and told so. */
  lost: boolean;
  readonly slugs: ReadonlySet<string>;
  /** When each of its processes was last heard of: a new one keeps the name, and not what the one before it ran. */
  readonly incarnations: Map<string, number>;
  /** It did not take what was meant for it alone, and nothing was heard of it since. */
  doubted: boolean;
  quote: { waitS: number; tokensPerSec: number; cacheTokens: number; at: number };
}

/** Where no rate was ever learned, tokens/s. */
const UNKNOWN_RATE = 20_000;

/** How old an {@link Outlook} may be, ms: as old as the heartbeats are. */
const OUTLOOK_MS = 1000;
const NOTHING_HELD: ReadonlyMap<string, number> = new Map();

export interface Outlook {
  readonly fastestTokensPerSec: number;
  readonly meanLoad: number;
}

export class Fleet {
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  readonly #models = new Map<string, ModelInfo>();
  readonly #affinities = new Map<string, Affinity>();
  readonly #rates = new Map<string, number>();
  readonly #outlooks = new Map<string, Outlook & { readonly at: number }>();
  /** By model; renewed once a second. */
  readonly #shards = new Map<string, ShardLoad[]>();
  /** Monotonic ms since which heartbeats could have reached us; silence before that proves nothing. */
  #listeningSince: number;
  #lastSweepAt: number;
  #region = '';
  #onGone: (worker: string) => void = () => {};

  constructor(queue: WorkQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
    this.#listeningSince = clock.monotonic();
    this.#lastSweepAt = this.#listeningSince;
  }

  async start(region: string, registry: ModelRegistry): Promise<void> {
    this.#region = region;
    this.#queue.listen(heartbeatFilter(region), bytes => {
      const heartbeat = readHeartbeat(bytes);
      if (heartbeat !== null) this.#hear(heartbeat);
    });
    for (const bytes of await registry.list(region)) {
      const model = readModelInfo(bytes);
      if (model !== null && !this.#models.has(model.name)) this.#learnModel(model);
    }
  }

  /** Told of each worker that takes nothing new any more: it drains, is sick, or was not heard of for too long. */
  whenGone(tell: (worker: string) => void): void {
    this.#onGone = tell;
  }

  #hear(heartbeat: Heartbeat): void {
    const known = this.#members.get(heartbeat.worker);
    if (known !== undefined && heartbeat.leaving && this.#goesOn(known, heartbeat.incarnation)) return;
    const tookWork = known?.heartbeat.pulling === true;
    if (heartbeat.leaving) this.#members.delete(heartbeat.worker);
    else this.#welcome(heartbeat);
    if (tookWork && (heartbeat.leaving || !heartbeat.pulling)) this.#onGone(heartbeat.worker);
    for (const model of heartbeat.models) this.#learnModel(model);
  }

  /** One process of a worker leaves: whether another one has its name already. */
  #goesOn({ incarnations }: Member, leaving: string): boolean {
    incarnations.delete(leaving);
    const now = this.#clock.monotonic();
    return [...incarnations.values()].some(at => now - at <= LOST_AFTER_MS);
  }

  /** A worker that knows no architecture takes nothing back from one that does. */
  #learnModel(model: ModelInfo): void {
    const known = this.#models.get(model.name)?.architecture ?? null;
    const learned = { ...model, architecture: model.architecture ?? known };
    this.#models.set(model.name, learned);
    this.#affinities.set(model.slug, defaultAffinity(learned.architecture));
  }

  /** How a model's requests are bound to workers where the operator did not say. */
  defaultAffinity(slug: string): Affinity {
    return this.#affinities.get(slug) ?? defaultAffinity(null);
  }

  #welcome(heartbeat: Heartbeat): void {
    const now = this.#clock.monotonic();
    const { waitS, tokensPerSec, cacheTokens } = heartbeat;
    const slugs = new Set(heartbeat.models.map(model => model.slug));
    const incarnations = this.#members.get(heartbeat.worker)?.incarnations ?? new Map<string, number>();
    incarnations.set(heartbeat.incarnation, now);
    for (const [old, at] of incarnations) if (now - at > FORGOTTEN_AFTER_MS) incarnations.delete(old);
    this.#members.set(heartbeat.worker, {
      heartbeat,
      seenAt: now,
      slugs,
      incarnations,
      doubted: false,
      lost: false,
      trust: this.#members.get(heartbeat.worker)?.trust ?? 1,
      quote: { waitS, tokensPerSec, cacheTokens, at: now },
    });
  }

  /** A reply packet told how the worker stands now. */
  hearQuote(worker: string, quote: Quote): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    member.doubted = false;
    member.quote = {
      waitS: quote.waitMs / 1000,
      tokensPerSec: quote.tokensPerSec,
      cacheTokens: quote.cacheTokens,
      at: this.#clock.monotonic(),
    };
  }

  /** A process of a worker began on a request, maybe before its first heartbeat came through. */
  hearFrom(worker: string, incarnation: string): void {
    this.#members.get(worker)?.incarnations.set(incarnation, this.#clock.monotonic());
  }

  /** What a live worker had put into its cache as last heard; null for a stranger. */
  cacheTokensOf(worker: string): number | null {
    return this.#members.get(worker)?.quote.cacheTokens ?? null;
  }

  /** Whether what a worker's cache held at a stamp can still be there. */
  mayHold(worker: string, stamp: number): boolean {
    const member = this.#members.get(worker);
    return (
      member !== undefined && mayBeCached(stamp, member.quote.cacheTokens, member.heartbeat.cacheCapacity)
    );
  }

  trustIn(worker: string): number {
    return this.#members.get(worker)?.trust ?? 1;
  }

  /** An engine said which share of a prompt it found in its cache, where so much was expected. */
  judgeCache(worker: string, expected: number, found: number): void {
    const member = this.#members.get(worker);
    if (member !== undefined) member.trust = learnTrust(member.trust, expected, found);
  }

  /** A worker let work wait that only it could take: nothing more is meant for it alone until it is heard of again. */
  doubt(worker: string): void {
    const member = this.#members.get(worker);
    if (member !== undefined) member.doubted = true;
  }

  /** A request was sent to one worker alone: it counts until the worker's next quote does. */
  expectAt(worker: string, uncachedTokens: number): void {
    const quote = this.#members.get(worker)?.quote;
    if (quote === undefined) return;
    quote.waitS = this.#waitOf(quote) + uncachedTokens / (quote.tokensPerSec || UNKNOWN_RATE);
    quote.at = this.#clock.monotonic();
  }

  /** The backlog melts while nothing is heard. */
  #waitOf(quote: Member['quote']): number {
    return Math.max(0, quote.waitS - (this.#clock.monotonic() - quote.at) / 1000);
  }

  /** The workers that take work for the model now, with what their caches are believed to hold. */
  candidates(slug: string, matched: ReadonlyMap<string, number>): Candidate[] {
    const now = this.#clock.monotonic();
    const found: Candidate[] = [];
    for (const [worker, member] of this.#members)
      if (takesWork(member, slug, now)) found.push(this.#candidate(worker, member, matched.get(worker) ?? 0));
    return found;
  }

  /** Those of {@link candidates} that are believed to hold some of the prompt. */
  owners(slug: string, matched: ReadonlyMap<string, number>): Candidate[] {
    const now = this.#clock.monotonic();
    const found: Candidate[] = [];
    for (const [worker, tokens] of matched) {
      const member = this.#members.get(worker);
      if (member !== undefined && takesWork(member, slug, now))
        found.push(this.#candidate(worker, member, tokens));
    }
    return found;
  }

  #candidate(worker: string, { quote, heartbeat }: Member, matchedTokens: number): Candidate {
    return {
      worker,
      waitS: this.#waitOf(quote),
      tokensPerSec: quote.tokensPerSec || UNKNOWN_RATE,
      matchedTokens,
      load: heartbeat.load,
    };
  }

  /** Of all {@link candidates} together, as of at most a second ago: looking at a thousand workers takes as long as much of a request. */
  outlook(slug: string): Outlook {
    const now = this.#clock.monotonic();
    const known = this.#outlooks.get(slug);
    if (known !== undefined && now - known.at < OUTLOOK_MS) return known;
    const all = this.candidates(slug, NOTHING_HELD);
    const load = all.reduce((sum, candidate) => sum + candidate.load, 0);
    const fastest = all.reduce((most, candidate) => Math.max(most, candidate.tokensPerSec), 0);
    const fresh = { at: now, fastestTokensPerSec: fastest, meanLoad: load / Math.max(1, all.length) };
    this.#outlooks.set(slug, fresh);
    return fresh;
  }

  /** Prefill rate of the fastest worker of a model, tokens/s; 0 where none was learned. Renewed once a second. */
  fleetRate(slug: string): number {
    return this.#rates.get(slug) ?? 0;
  }

  /** The shard for a request that any worker may take. */
  shardFor(slug: string): number {
    const loads = this.#shards.get(slug);
    if (loads === undefined) return this.#anyShard(slug);
    return loads.length === 1 ? (loads[0]?.shard ?? 0) : decideShard(loads, [Math.random(), Math.random()]);
  }

  /** Before the first count: of any worker that serves the model. */
  #anyShard(slug: string): number {
    for (const member of this.#members.values()) if (member.slugs.has(slug)) return member.heartbeat.shard;
    return 0;
  }

  /** Wait before a new prompt of the model is begun, as far as heard, s. */
  waitS(slug: string): number {
    const waits = (this.#shards.get(slug) ?? []).map(load => load.meanWaitS);
    return waits.length === 0 ? 0 : Math.min(...waits);
  }

  /** Requests that all workers of the model hold at once. */
  slots(slug: string): number {
    const now = this.#clock.monotonic();
    let slots = 0;
    for (const { heartbeat, seenAt, slugs } of this.#members.values())
      if (heartbeat.pulling && slugs.has(slug) && now - seenAt <= LOST_AFTER_MS) slots += heartbeat.slots;
    return slots;
  }

  shardOfWorker(worker: string): number {
    return this.#members.get(worker)?.heartbeat.shard ?? 0;
  }

  /** Whether nobody in a shard serves the model while somebody in another one does. */
  isStranded(slug: string, shard: number): boolean {
    const loads = this.#shards.get(slug);
    return loads !== undefined && loads.length > 0 && !loads.some(load => load.shard === shard);
  }

  #count(slug: string, { heartbeat, quote }: Member): void {
    const loads = this.#shards.get(slug) ?? [];
    this.#shards.set(slug, loads);
    const at = loads.findIndex(load => load.shard === heartbeat.shard);
    const before = loads[at] ?? { shard: heartbeat.shard, tokensPerSec: 0, meanWaitS: 0 };
    const rate = quote.tokensPerSec || UNKNOWN_RATE;
    const tokensPerSec = before.tokensPerSec + rate;
    // The mean over workers, weighted by what each can do.
    const meanWaitS = before.meanWaitS + ((this.#waitOf(quote) - before.meanWaitS) * rate) / tokensPerSec;
    loads[at < 0 ? loads.length : at] = { shard: heartbeat.shard, tokensPerSec, meanWaitS };
  }

  #renewRates(now: number): void {
    this.#rates.clear();
    this.#shards.clear();
    for (const member of this.#members.values()) {
      if (!member.heartbeat.pulling || now - member.seenAt > LOST_AFTER_MS) continue;
      for (const slug of member.slugs) {
        this.#rates.set(slug, Math.max(this.#rates.get(slug) ?? 0, member.quote.tokensPerSec));
        this.#count(slug, member);
      }
    }
  }

  model(name: string): ModelInfo | undefined {
    return this.#models.get(name);
  }

  models(): ModelInfo[] {
    return [...this.#models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get workers(): number {
    return this.#members.size;
  }

  /** Called once a second. Notices when we ourselves were away: paused, or cut off from the broker. */
  sweep(): void {
    const now = this.#clock.monotonic();
    if (!this.#queue.connected || now - this.#lastSweepAt > LOST_AFTER_MS) this.#listeningSince = now;
    this.#lastSweepAt = now;
    this.#renewRates(now);
    for (const [id, member] of this.#members) {
      if (!member.lost && this.isLost(id)) {
        member.lost = true;
        this.#onGone(id);
      }
      if (now - member.seenAt <= FORGOTTEN_AFTER_MS) continue;
      this.#members.delete(id);
      // Each ingress has moved its own requests long since: what is left was sent by one that died, and nobody waits for it.
      const { shard } = member.heartbeat;
      this.#queue.purge(workStream(this.#region, shard), stickyFilter(this.#region, shard, id));
    }
  }

  /** Whether a worker that had work, or the process of it that had, has been silent for too long while we were listening. */
  isLost(workerId: string, incarnation = ''): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#listeningSince < LOST_AFTER_MS) return false;
    const member = this.#members.get(workerId);
    const seenAt = incarnation === '' ? member?.seenAt : member?.incarnations.get(incarnation);
    return now - (seenAt ?? Number.NEGATIVE_INFINITY) > LOST_AFTER_MS;
  }
}

/** Whether a worker takes work for a model now. */
function takesWork({ heartbeat, slugs, doubted, seenAt }: Member, slug: string, now: number): boolean {
  return heartbeat.pulling && slugs.has(slug) && !doubted && now - seenAt <= LOST_AFTER_MS;
}
