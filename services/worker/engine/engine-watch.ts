/** Probes the engine once a second: its health, its gauges, and its models and endpoints until they are known. */
import type { Architecture } from '@penstock/policy';
import { type ModelInfo, toModelSlug, type WorkEnvelope } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { Engine } from './engine.ts';
import { EngineHealth } from './engine-health.ts';
import type { EngineGauges } from './gauges.ts';

const PROBE_MS = 1000;

export interface EngineWatchOptions {
  readonly engine: Pick<Engine, 'ask' | 'endpoints' | 'gauges' | 'healthy' | 'models'>;
  /** Of all models, as the operator states it. Where null, what the engine says counts. */
  readonly architecture: Architecture | null;
  /** Begins to serve a model. Where it rejects, the next probe tries again with all models. */
  readonly open: (model: ModelInfo) => Promise<void>;
  /** All models are open. */
  readonly onOpened: () => void;
  readonly onHealthChanged: () => void;
  readonly onProbed: () => void;
  readonly log: Logger;
}

export class EngineWatch {
  readonly #o: EngineWatchOptions;
  readonly #health: EngineHealth;
  #gauges: EngineGauges | null = null;
  #models: readonly ModelInfo[] = [];
  /** All models are open, with the endpoints that the engine has now. */
  #isOpen = false;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: EngineWatchOptions) {
    this.#o = options;
    const { engine, onHealthChanged: onChanged, log } = options;
    this.#health = new EngineHealth({ engine, onChanged, log });
  }

  get isWell(): boolean {
    return this.#health.isWell;
  }

  /** Share of recent requests that failed, 0–1. */
  get errorRate(): number {
    return this.#health.errorRate;
  }

  /** As of the last probe; null where the engine publishes none. */
  get gauges(): EngineGauges | null {
    return this.#gauges;
  }

  /** Empty until all of them are open. */
  get models(): readonly ModelInfo[] {
    return this.#models;
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
    const { engine, log, onProbed } = this.#o;
    const wasWell = this.isWell;
    await this.#health.probe();
    this.#gauges = await engine.gauges();
    // One that was away may have been started with other endpoints.
    if (!wasWell && this.isWell) this.#isOpen = false;
    if (!this.#isOpen) {
      await this.#openModels().catch((err: Error) =>
        log.warn(
          { err: err.message },
          'not pulling yet: the engine lists no models, or no ingress has made the queue',
        ),
      );
    }
    onProbed();
  }

  async #openModels(): Promise<void> {
    const { engine, architecture, open, onOpened, log } = this.#o;
    const listed = await engine.models();
    const endpoints = await engine.endpoints();
    const models = listed.map(model => ({
      ...model,
      endpoints,
      slug: toModelSlug(model.name),
      architecture: architecture ?? model.architecture,
    }));
    for (const model of models) await open(model);
    this.#models = models;
    this.#isOpen = models.length > 0;
    onOpened();
    log.info({ models: models.map(model => model.name), endpoints }, 'pulling');
  }
}
