/**
 * Probes the engine once a second: its health and its gauges. Its models and endpoints are asked for until they are known, and its
 * models again at intervals: adapters are loaded and unloaded while the engine runs.
 */
import type { Architecture } from '@penstock/policy';
import { type Endpoint, type ModelInfo, toModelSlug, type WorkEnvelope } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { Engine } from './engine.ts';
import { EngineHealth } from './engine-health.ts';
import type { EngineGauges } from './gauges.ts';
import type { EngineModel } from './model-list.ts';

const PROBE_MS = 1000;
/** How often the models are listed again, ms. */
export const LIST_EVERY_MS = 10_000;

export interface EngineWatchOptions {
  readonly engine: Pick<Engine, 'ask' | 'endpoints' | 'gauges' | 'healthy' | 'models' | 'slotLimit'>;
  /** Of all models, as the operator states it. Where null, what the engine says counts. */
  readonly architecture: Architecture | null;
  /** Whether a model of the engine is to be served, by its name; and how many of them, those that it lists first. */
  readonly serves: (name: string) => boolean;
  readonly mostModels: number;
  /** How often the models are listed again, ms; in probes, rounded up. */
  readonly listEveryMs: number;
  /** Begins to serve a model, or goes on with other endpoints. Where it rejects, the next probe tries again with all models. */
  readonly open: (model: ModelInfo) => Promise<void>;
  /** Serves these models and no others any more. */
  readonly retain: (models: readonly ModelInfo[]) => Promise<void>;
  /** All models are open: for the first time, or because something changed. */
  readonly onOpened: () => void;
  /** The engine was met, perhaps anew. @param limit requests that it runs at once; null where it does not tell. */
  readonly onSlotLimit: (limit: number | null) => void;
  readonly onHealthChanged: () => void;
  readonly onProbed: () => void;
  readonly log: Logger;
}

export class EngineWatch {
  readonly #o: EngineWatchOptions;
  readonly #health: EngineHealth;
  #gauges: EngineGauges | null = null;
  #models: readonly ModelInfo[] = [];
  /** Null where the engine has to be asked: it may have been started anew. */
  #endpoints: readonly Endpoint[] | null = null;
  /** Probes until the models are listed again. */
  #listIn = 0;
  /** Models that the engine said it does not have, since they were listed. */
  readonly #missed = new Set<string>();
  /** Models that it lists nevertheless. */
  #ghosts: ReadonlySet<string> = new Set();
  /** The last probe of its health failed. */
  #wasAway = false;
  /** The last list was empty. */
  #sawNone = false;
  /** Models of the last list that were too many. */
  #leftOut = 0;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: EngineWatchOptions) {
    this.#o = options;
    const { engine, onHealthChanged: onChanged, log } = options;
    const parentOf = (name: string) => this.#parentOf(name);
    this.#health = new EngineHealth({ engine, parentOf, onChanged, log });
  }

  get isWell(): boolean {
    return this.#health.isWell;
  }

  /** Share of recent requests that failed, 0–1. */
  get errorRate(): number {
    return this.#health.errorRate;
  }

  /**
   * As of the last probe; null where the engine publishes none. Of one that did not answer in time the size is still known: without it
   * its KV memory would seem to be without end.
   */
  get gauges(): EngineGauges | null {
    return this.#gauges;
  }

  /** Empty until all of them are open. */
  get models(): readonly ModelInfo[] {
    return this.#models;
  }

  #parentOf(name: string): string | null {
    const parent = this.#models.find(model => model.name === name)?.parent;
    return this.#models.some(model => model.name === parent) ? (parent ?? null) : null;
  }

  start(): void {
    void this.#probeAndRepeat();
  }

  /** A probe under way is finished; no other follows. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** A request was answered, also with a refusal. One that failed before does not hide how many fail. */
  answered(isFirstAttempt: boolean): void {
    this.#health.answered(isFirstAttempt);
  }

  /** The engine failed a request. What fails again, or failed elsewhere before, is held against the request. */
  failed(work: WorkEnvelope, isFirstAttempt: boolean): void {
    this.#health.failed(work, isFirstAttempt);
  }

  async #probeAndRepeat(): Promise<void> {
    await this.#probe();
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#probeAndRepeat(), PROBE_MS);
  }

  async #probe(): Promise<void> {
    const { engine, onProbed } = this.#o;
    const wasWell = this.isWell;
    const isHealthy = await this.#health.probe();
    const gauges = await engine.gauges();
    // One that was away may have been started with other endpoints and models; one that loads refuses whatever it is asked.
    const isBack = (isHealthy && this.#wasAway) || (!wasWell && this.isWell);
    this.#wasAway = !isHealthy;
    this.#gauges = gauges ?? (isBack ? null : sizeOf(this.#gauges));
    if (isBack) {
      this.#endpoints = null;
      this.#listIn = 0;
    }
    if (this.#listIn-- <= 0) await this.#list();
    onProbed();
  }

  /**
   * The engine answered that it has no such model: what it has is found out with the next probe.
   * @returns whether the model may have been unloaded; not if it was listed again since the engine first said so.
   */
  missedModel(name: string): boolean {
    this.#listIn = 0;
    if (this.#ghosts.has(name)) return false;
    this.#missed.add(name);
    return true;
  }

  async #list(): Promise<void> {
    try {
      const models = await this.#readModels();
      if (models.length === 0 && this.#models.length === 0) throw new Error('the engine lists no models');
      // An engine that is about to serve others may list none for a moment.
      const isSure = models.length > 0 || this.#sawNone;
      this.#sawNone = models.length === 0;
      if (isSure) await this.#serve(models);
      this.#listIn = isSure ? Math.ceil(this.#o.listEveryMs / PROBE_MS) - 1 : 0;
    } catch (err) {
      this.#listIn = 0;
      // One that does not answer now is called sick by its other probes.
      if (this.#models.length > 0) return;
      this.#o.log.warn(
        { err },
        'not pulling yet: the engine lists no models, or no ingress has made the queue',
      );
    }
  }

  /** A list without an end would use up the queues that all workers share. */
  #chosen(listed: readonly EngineModel[]): EngineModel[] {
    const { serves, mostModels, log } = this.#o;
    const byName = new Map(listed.filter(({ name }) => serves(name)).map(model => [model.name, model]));
    const chosen = [...byName.values()].slice(0, mostModels);
    const leftOut = byName.size - chosen.length;
    if (leftOut !== this.#leftOut && leftOut > 0)
      log.warn(
        { leftOut, served: chosen.length },
        'the engine lists more models than PENSTOCK_MOST_MODELS: name those to serve in PENSTOCK_MODELS',
      );
    this.#leftOut = leftOut;
    return chosen;
  }

  async #readModels(): Promise<ModelInfo[]> {
    const { engine, architecture, onSlotLimit } = this.#o;
    const listed = this.#chosen(await engine.models());
    if (this.#endpoints === null && listed.length > 0) {
      this.#endpoints = await engine.endpoints();
      onSlotLimit(await engine.slotLimit());
    }
    const endpoints = this.#endpoints ?? [];
    return listed.map(model => ({
      ...model,
      endpoints: [...endpoints],
      slug: toModelSlug(model.name),
      architecture: architecture ?? model.architecture,
    }));
  }

  async #serve(models: readonly ModelInfo[]): Promise<void> {
    const { open, retain, onOpened, log } = this.#o;
    const isGhost = ({ name }: ModelInfo) => this.#ghosts.has(name) || this.#missed.has(name);
    this.#ghosts = new Set(models.filter(isGhost).map(({ name }) => name));
    this.#missed.clear();
    const known = new Map(this.#models.map(model => [model.name, JSON.stringify(stable(model))]));
    const changed = models.filter(model => known.get(model.name) !== JSON.stringify(stable(model)));
    if (changed.length === 0 && models.length === this.#models.length) return;
    for (const model of changed) await open(model);
    await retain(models);
    this.#models = models;
    onOpened();
    log.info({ models: models.map(model => model.name), endpoints: this.#endpoints }, 'pulling');
  }
}

/** vLLM makes a new time at each list. */
function stable(model: ModelInfo): object {
  return { ...model, created: 0 };
}

/** What stays true of an engine while it runs. */
function sizeOf(gauges: EngineGauges | null): EngineGauges | null {
  const kvCapacity = gauges?.kvCapacity ?? null;
  return kvCapacity === null ? null : { running: null, waiting: null, kvUse: null, kvCapacity };
}
