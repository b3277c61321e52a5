/** What requests, probes and trials say of the engine's health. */
import {
  afterProbe,
  afterRequest,
  afterTrial,
  type EngineHealth as Health,
  WELL,
  wantsTrial,
} from '@penstock/policy';
import type { WorkEnvelope, WorkMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { Engine } from './engine.ts';
import { FailedPrompts } from './failed-prompts.ts';
import { tryOut } from './trial.ts';

export interface EngineHealthOptions {
  readonly engine: Pick<Engine, 'ask' | 'healthy'> & Partial<Pick<Engine, 'trouble'>>;
  /** The listed model that an adapter was made for; null for a model that is no adapter. */
  readonly parentOf: (model: string) => string | null;
  readonly onChanged: () => void;
  readonly log: Logger;
}

export class EngineHealth {
  readonly #o: EngineHealthOptions;
  readonly #failures = new FailedPrompts();
  #health: Health = WELL;
  /** The last request that failed: trials are like it. */
  #lastFailed: WorkMeta | null = null;
  #isTrying = false;
  /** Adapters that failed a trial which their parents passed: the operator is told once. */
  readonly #broken = new Set<string>();
  /** A failure is followed by a trial at once, but not by more than one between two probes. */
  #mayTry = true;

  constructor(options: EngineHealthOptions) {
    this.#o = options;
  }

  get isWell(): boolean {
    return this.#health.state === 'well';
  }

  /** Share of recent requests that failed by the engine's fault, 0–1. */
  get errorRate(): number {
    return this.#health.errorRate;
  }

  /** A request was answered, also with a refusal. One that failed before does not hide how many fail. */
  answered(isFirstAttempt: boolean): void {
    if (isFirstAttempt) this.#set(afterRequest(this.#health, true), 'it answers requests');
  }

  /** The engine failed a request. What fails again, or failed elsewhere before, is held against the request. */
  failed({ meta, body }: WorkEnvelope, isFirstAttempt: boolean): void {
    if (this.#failures.isKnown(body) || !isFirstAttempt) return;
    this.#lastFailed = meta;
    this.#set(afterRequest(this.#health, false), 'it fails requests');
    this.#tryIfWanted();
  }

  /** Called once a second. @returns whether the engine says now that it is well. */
  async probe(): Promise<boolean> {
    const isHealthy = await this.#o.engine.healthy();
    const why = isHealthy
      ? 'its probes pass'
      : `its probes fail: ${this.#o.engine.trouble ?? 'no reason given'}`;
    this.#set(afterProbe(this.#health, isHealthy), why);
    this.#mayTry = true;
    this.#tryIfWanted();
    return isHealthy;
  }

  #tryIfWanted(): void {
    const like = this.#lastFailed;
    if (!this.#mayTry || this.#isTrying || like === null || !wantsTrial(this.#health)) return;
    this.#mayTry = false;
    this.#isTrying = true;
    void this.#try(like).finally(() => {
      this.#isTrying = false;
    });
  }

  async #try(like: WorkMeta): Promise<void> {
    const { engine, log } = this.#o;
    const trial = await tryOut(engine, like);
    log.warn({ failures: this.#health.unjudged, trial }, 'requests failed, so a harmless one was tried');
    if (trial === 'passed') this.#broken.delete(like.model);
    const isAdapters = trial === 'failed' && (await this.#isAdaptersFault(like));
    this.#set(afterTrial(this.#health, isAdapters ? 'passed' : trial), 'it failed a harmless request too');
  }

  /** An adapter that cannot be used says nothing of the engine, where the model that it was made for answers. */
  async #isAdaptersFault({ endpoint, model }: WorkMeta): Promise<boolean> {
    const { engine, parentOf, log } = this.#o;
    const parent = parentOf(model);
    if (parent === null || (await tryOut(engine, { endpoint, model: parent })) !== 'passed') return false;
    if (!this.#broken.has(model))
      log.error({ model, parent }, 'ALARM: the engine fails requests for an adapter, not for its parent');
    this.#broken.add(model);
    return true;
  }

  /** @param why for the operator: a sick engine gets no work, and whoever is called for it has to know where to look. */
  #set(health: Health, why: string): void {
    const before = this.#health.state;
    this.#health = health;
    if (health.state === before) return;
    const { state, streak, errorRate } = health;
    this.#o.log.warn({ state, why, failuresInARow: streak, errorRate }, `the engine is ${state}: ${why}`);
    this.#o.onChanged();
  }
}
