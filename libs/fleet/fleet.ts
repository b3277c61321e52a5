/** The workers of a region, composed of the parts in this folder. Clock, randomness and messages are injected. */
import type { Affinity, Candidate } from '@penstock/policy';
import type { Endpoint, Heartbeat, ModelInfo, Quote } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import { AbandonedQueues } from './abandoned-queues.ts';
import { CacheBeliefs } from './cache-beliefs.ts';
import { type CandidateSummary, Candidates } from './candidates.ts';
import { EndpointDirectory } from './endpoint-directory.ts';
import { type Member, Members } from './members.ts';
import { ModelCatalogue } from './model-catalogue.ts';
import { ModelNames, type ModelNamesOptions, NO_NAMES } from './model-names.ts';
import { ShardLoads } from './shard-loads.ts';

export interface FleetOptions {
  /** Shards of the region, at least 1. */
  readonly shards: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly rand: () => number;
  /** Whether heartbeats can reach this process now. */
  readonly connected: () => boolean;
  /** Every model that the region's registry remembers. */
  readonly registeredModels: () => Promise<readonly ModelInfo[]>;
  /** Aliases and fallbacks; absent where there are none. */
  readonly names?: ModelNamesOptions;
  /** Tells the region's registry of a model that is withdrawn, or is no more. */
  readonly registerModel: (model: ModelInfo) => void;
  /** A worker of the shard was silent for so long that nobody expects it back. */
  readonly onForgotten: (worker: string, shard: number) => void;
}

export class Fleet {
  readonly #members: Members;
  readonly #catalogue: ModelCatalogue;
  readonly #names: ModelNames;
  readonly #endpoints: EndpointDirectory;
  readonly #abandoned: AbandonedQueues;
  readonly #caches: CacheBeliefs;
  readonly #candidates: Candidates;
  readonly #shards: ShardLoads;
  #onGone: (worker: string) => void = () => {};

  constructor({ shards, clock, rand, connected, ...options }: FleetOptions) {
    const { registeredModels: listRegistered, registerModel: register, onForgotten } = options;
    this.#names = new ModelNames(options.names ?? NO_NAMES);
    this.#members = new Members({
      clock,
      connected,
      onDropped: model => this.#catalogue.drop(model),
      onGone: worker => this.#onGone(worker),
      onRemoved: ({ worker, heartbeat }, why) => {
        this.#caches.forget(worker);
        if (why === 'forgotten') onForgotten(worker, heartbeat.shard);
      },
    });
    this.#catalogue = new ModelCatalogue({ listRegistered, register, clock });
    this.#endpoints = new EndpointDirectory(this.#members, rand);
    this.#abandoned = new AbandonedQueues(this.#members, clock);
    this.#caches = new CacheBeliefs(this.#members);
    this.#candidates = new Candidates(this.#members, clock);
    this.#shards = new ShardLoads({ members: this.#members, clock, shards, rand });
  }

  /** Called with each worker that takes nothing new any more: it drains, is sick, left, or was silent for too long. */
  whenGone(tell: (worker: string) => void): void {
    this.#onGone = tell;
  }

  /** @returns whether there was room for it; see {@link Members.hear}. */
  hear(heartbeat: Heartbeat): boolean {
    if (!this.#members.hear(heartbeat)) return false;
    for (const model of heartbeat.models) this.#catalogue.announce(model);
    return true;
  }

  /** A reply packet carried the worker's quote. */
  hearQuote(worker: string, quote: Quote): void {
    this.#members.hearQuote(worker, quote);
  }

  /** A process of a worker took a request, perhaps before its first heartbeat arrived. */
  hearFrom(worker: string, incarnation: string): void {
    this.#members.hearFrom(worker, incarnation);
  }

  /** A worker did not take the work bound to it in time: nothing more is bound to it until its next message. */
  suspect(worker: string): void {
    this.#members.suspect(worker);
  }

  /** To be called once a second: marks workers as lost or forgotten, and notices when this process itself could not receive. */
  sweep(): void {
    this.#members.sweep();
    this.#catalogue.sweep(() => this.#members.modelNames());
    this.#abandoned.sweep();
  }

  /** Whether a worker, or the process of it that ran something, was silent for too long while this process was listening. */
  isLost(worker: string, incarnation = ''): boolean {
    return this.#members.isLost(worker, incarnation);
  }

  /** {@link Members.silentMs} */
  silentMs(worker: string, incarnation: string): number | null {
    return this.#members.silentMs(worker, incarnation);
  }

  /** {@link Members.ended} */
  ended(worker: string, incarnation: string): void {
    this.#members.ended(worker, incarnation);
  }

  /** All workers that are not forgotten, as heard of last. */
  members(): Iterable<Readonly<Member>> {
    return this.#members.all();
  }

  /** Whether a worker is one of them. */
  isMember(worker: string): boolean {
    return this.#members.get(worker) !== undefined;
  }

  /** Whether it is one of the version before, which does not say the key of what it was given. */
  isKeyless(worker: string): boolean {
    const member = this.#members.get(worker);
    return member !== undefined && member.heartbeat.keyed !== true;
  }

  /** Number of workers that are not forgotten. */
  get workers(): number {
    return this.#members.size;
  }

  shardOfWorker(worker: string): number {
    return this.#members.get(worker)?.heartbeat.shard ?? 0;
  }

  /** Reads the models that the registry remembers, so that requests for them are accepted while their workers are away. */
  readRegistry(): Promise<void> {
    return this.#catalogue.readRegistry();
  }

  /**
   * The model that serves requests for a name: its own, that of an alias, or where none of its workers takes work now the first
   * of its fallbacks that has one. Undefined where nothing of it is known. As long as not every worker can have been heard, a model
   * that is known is not known to have no worker.
   */
  model(name: string): ModelInfo | undefined {
    const model = this.#catalogue.get(this.#names.target(name));
    const others = this.#names.standIns(name);
    if (others.length === 0) return model;
    if (model !== undefined && (!this.#members.hasHeardAll || this.#members.isServed(model.name)))
      return model;
    const other = others.find(each => this.#members.isServed(each));
    return other === undefined ? model : this.#catalogue.get(other);
  }

  /** Models that may stand in for a name and that a worker serves now, in the order of the operator. */
  standIns(name: string): ModelInfo[] {
    const served = this.#names.standIns(name).filter(each => this.#members.isServed(each));
    return served.flatMap(each => this.#catalogue.get(each) ?? []);
  }

  /** The model that the name stands for. */
  target(name: string): string {
    return this.#names.target(name);
  }

  /** Whether requests for the name can be served. Reads the registry again for an unknown one. */
  async isModel(name: string): Promise<boolean> {
    for (const each of [this.#names.target(name), ...this.#names.standIns(name)])
      if (await this.#catalogue.isKnown(each)) return true;
    return false;
  }

  /**
   * Those that a worker serves now, and their aliases, by name; all that are known as long as not every worker can have been heard.
   * The root of an alias is the model that serves it.
   */
  models(): ModelInfo[] {
    const isServed = this.#served();
    const aliases = [...this.#names.aliases()].flatMap(name => {
      const model = this.model(name);
      if (model === undefined || !isServed(model.name)) return [];
      const { parent: _, ...rest } = model;
      return [{ ...rest, name, root: model.name }];
    });
    const named = new Set(aliases.map(({ name }) => name));
    const own = this.#catalogue.all().filter(({ name }) => isServed(name) && !named.has(name));
    return [...own, ...aliases].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Models that are known and that no worker serves; none as long as not every worker can have been heard. */
  unservedModels(): ModelInfo[] {
    if (!this.#members.hasHeardAll) return [];
    const served = this.#members.modelNames();
    return this.#catalogue.all().filter(({ name }) => !served.has(name));
  }

  #served(): (name: string) => boolean {
    if (!this.#members.hasHeardAll) return () => true;
    const names = this.#members.modelNames();
    return name => names.has(name);
  }

  /** ms until every worker that is there must have been heard: before, nobody can say that none serves a model. 0 once that is so. */
  get unheardMs(): number {
    return this.#members.unheardMs;
  }

  /** Whether a queue is of a model that was unloaded everywhere. */
  isWithdrawn(slug: string): boolean {
    return this.#catalogue.isWithdrawn(slug);
  }

  /** Models that were unloaded everywhere: what waits for them is to be refused. */
  withdrawnModels(): ModelInfo[] {
    return [...this.#catalogue.withdrawn()];
  }

  /** Whether a queue is of endpoints that no engine of its model has any more: what waits there is to be refused. */
  isAbandoned(queue: string): boolean {
    return this.#abandoned.has(queue);
  }

  /** {@link AbandonedQueues.recent} */
  abandonedQueues(withinMs: number): string[] {
    return this.#abandoned.recent(withinMs);
  }

  /** {@link EndpointDirectory.endpointsOf} */
  endpointsOf(model: ModelInfo): Endpoint[] {
    return this.#endpoints.endpointsOf(model);
  }

  /** {@link EndpointDirectory.isEverywhere} */
  isEverywhere(model: ModelInfo, endpoint: Endpoint): boolean {
    return this.#endpoints.isEverywhere(model, endpoint);
  }

  /** {@link EndpointDirectory.queueFor} */
  queueFor(model: ModelInfo, endpoint: Endpoint): string | null {
    return this.#endpoints.queueFor(model, endpoint);
  }

  /** How a model's requests are bound to workers where the operator did not say. */
  defaultAffinity(slug: string): Affinity {
    return this.#catalogue.defaultAffinity(slug);
  }

  /** {@link CacheBeliefs.cacheTokensOf} */
  cacheTokensOf(worker: string): number | null {
    return this.#caches.cacheTokensOf(worker);
  }

  /** {@link CacheBeliefs.mayHold} */
  mayHold(worker: string, stamp: number): boolean {
    return this.#caches.mayHold(worker, stamp);
  }

  /** {@link CacheBeliefs.trustIn} */
  trustIn(worker: string): number {
    return this.#caches.trustIn(worker);
  }

  /** {@link CacheBeliefs.judge} */
  judgeCache(worker: string, expected: number, found: number): void {
    this.#caches.judge(worker, expected, found);
  }

  /** {@link Candidates.all} */
  candidates(slug: string, matched: ReadonlyMap<string, number>): Candidate[] {
    return this.#candidates.all(slug, matched);
  }

  /** {@link Candidates.owners} */
  owners(slug: string, matched: ReadonlyMap<string, number>): Candidate[] {
    return this.#candidates.owners(slug, matched);
  }

  /** {@link Candidates.summary} */
  summary(slug: string): CandidateSummary {
    return this.#candidates.summary(slug);
  }

  /** {@link Candidates.waitAt} */
  waitAt(worker: string): number {
    return this.#candidates.waitAt(worker);
  }

  /** {@link Candidates.expectAt} */
  expectAt(worker: string, uncachedTokens: number): void {
    this.#candidates.expectAt(worker, uncachedTokens);
  }

  /** {@link ShardLoads.fastestTokensPerSec} */
  fleetRate(slug: string): number {
    return this.#shards.fastestTokensPerSec(slug);
  }

  /** {@link ShardLoads.shardFor} */
  shardFor(slug: string): number {
    return this.#shards.shardFor(slug);
  }

  /** {@link ShardLoads.waitS} */
  waitS(slug: string): number {
    return this.#shards.waitS(slug);
  }

  /** {@link ModelCatalogue.nameOf} */
  nameOf(slug: string): string | undefined {
    return this.#catalogue.nameOf(slug);
  }

  /** How many workers of each known model take work now: 0 where all are away. */
  workersByModel(): (readonly [model: string, workers: number])[] {
    return this.#catalogue.all().map(({ name, slug }) => [name, this.#members.serving(slug).length]);
  }

  /** Requests that the workers of each model run at once. */
  slotsByModel(): (readonly [model: string, slots: number])[] {
    return this.models().map(({ name, slug }) => [name, this.slots(slug)]);
  }

  /** {@link ShardLoads.slots} */
  slots(slug: string): number {
    return this.#shards.slots(slug);
  }

  /** {@link ShardLoads.workersOf} */
  workersOf(slug: string): number {
    return this.#shards.workersOf(slug);
  }

  /** {@link ShardLoads.meanTokensPerSec} */
  meanTokensPerSec(slug: string): number {
    return this.#shards.meanTokensPerSec(slug);
  }

  /** {@link ShardLoads.startsNow} */
  startsNow(slug: string, promptTokens: number): number {
    return this.#shards.startsNow(slug, promptTokens);
  }

  /** {@link ShardLoads.isServed} */
  isServed(slug: string): boolean {
    return this.#shards.isServed(slug);
  }

  /** {@link ShardLoads.isStranded} */
  isStranded(slug: string, shard: number): boolean {
    return this.#shards.isStranded(slug, shard);
  }
}
