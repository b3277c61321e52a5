/**
 * One virtual user: an instance of the script that runs one iteration at a time. An iteration is over when its function is
 * and nothing it began (requests, timers) is open. An interrupted one never comes back: what it waits for stays pending.
 */

import type { Tags } from '../metrics/metrics.ts';
import { describeError, EXIT, RunFailure, type UnsupportedApi } from '../outcome/failure.ts';
import type { RunState, ScenarioState } from './run-state.ts';

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'interrupted' };

export type ScriptFunction = (data?: unknown) => unknown;

export class VirtualUser {
  readonly id: number;
  readonly run: RunState;
  /** While the script's top level runs. */
  initialising = true;
  scenario: ScenarioState | null = null;
  /** Of the current iteration; −1 before the first. */
  iterationInInstance = -1;
  iterationInScenario = -1;
  iterationInTest = -1;
  groupPath = '';
  /** How much later than scheduled the current iteration began, ms; null where there is no schedule. */
  lateMs: number | null = null;
  #exports: Readonly<Record<string, unknown>> = {};
  #setGlobals: ((iteration: number | undefined, env: Readonly<Record<string, string>>) => void)[] = [];
  readonly #ownTags: Record<string, string> = {};
  #tags: Tags | null = null;
  readonly #pending = new Set<() => void>();
  #idle: (() => void) | null = null;
  #interrupt: (() => void) | null = null;

  constructor(id: number, run: RunState) {
    this.id = id;
    this.run = run;
  }

  /** To be called when the script was evaluated for this VU. */
  ready(exports: Readonly<Record<string, unknown>>): void {
    this.#exports = exports;
    this.initialising = false;
  }

  onGlobals(set: (iteration: number | undefined, env: Readonly<Record<string, string>>) => void): void {
    this.#setGlobals.push(set);
  }

  /** The exported function of that name. @throws RunFailure when there is none. */
  function(name: string): ScriptFunction {
    const value = this.#exports[name];
    if (typeof value === 'function') return value as ScriptFunction;
    throw new RunFailure(EXIT.invalidConfig, `the script exports no function '${name}'`);
  }

  enterScenario(scenario: ScenarioState): void {
    this.scenario = scenario;
    this.iterationInScenario = -1;
    this.#tags = null;
  }

  get ownTags(): Readonly<Record<string, string>> {
    return this.#ownTags;
  }

  setTag(name: string, value: string | null): void {
    if (value === null) delete this.#ownTags[name];
    else this.#ownTags[name] = value;
    this.#tags = null;
  }

  setGroup(path: string): void {
    this.groupPath = path;
    this.#tags = null;
  }

  /** What every sample of this VU carries now. */
  tags(): Tags {
    if (this.#tags === null) {
      const { options } = this.run;
      const tags: Record<string, string> = { ...options.tags };
      if (options.systemTags.has('group')) tags['group'] = this.groupPath;
      if (this.scenario !== null) {
        if (options.systemTags.has('scenario')) tags['scenario'] = this.scenario.plan.name;
        Object.assign(tags, this.scenario.plan.tags);
      }
      this.#tags = Object.assign(tags, this.#ownTags);
    }
    return this.#tags;
  }

  /** Runs a function of the script to its end. Never rejects. */
  call(fn: ScriptFunction, data: unknown): Promise<Outcome> {
    return new Promise(resolve => {
      this.#interrupt = () => {
        this.#cancelPending();
        resolve({ kind: 'interrupted' });
      };
      this.#work(fn, data).then(
        () => resolve({ kind: 'done' }),
        (error: unknown) => {
          this.#cancelPending();
          resolve({ kind: 'failed', error });
        },
      );
    });
  }

  beginIteration(): void {
    const scenario = this.scenario;
    if (scenario === null) return;
    this.iterationInInstance++;
    this.iterationInScenario++;
    this.iterationInTest = scenario.begun++;
    if (this.groupPath !== '') this.setGroup('');
    if (this.#setGlobals.length === 0) return;
    const extra = scenario.plan.env;
    const env = Object.keys(extra).length === 0 ? this.run.env : { ...this.run.env, ...extra };
    for (const set of this.#setGlobals) set(this.iterationInInstance, env);
  }

  /** Ends what is running. */
  interrupt(): void {
    this.#interrupt?.();
  }

  /** Registers something that is open. @param cancel gives it up. */
  begin(cancel: () => void): void {
    this.#pending.add(cancel);
  }

  /** @returns false when it was cancelled before: then its result must not reach the script. */
  end(cancel: () => void): boolean {
    const known = this.#pending.delete(cancel);
    if (this.#pending.size === 0) this.#idle?.();
    return known;
  }

  /** Remembers that the script used what is not there, whether it catches the error or not. */
  readonly refuse = (failure: UnsupportedApi): void => this.run.abort(failure);

  /** An error that no iteration waits for: in a timer, or a rejected promise. */
  strayError(error: unknown): void {
    this.run.counters.exceptions++;
    if (error instanceof RunFailure) this.run.abort(error);
    else this.run.log.once('ERRO', describeError(error));
  }

  async #work(fn: ScriptFunction, data: unknown): Promise<void> {
    await fn(data);
    while (this.#pending.size > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve;
      });
      this.#idle = null;
      // What waited for the last answer may begin something new: let it run first.
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  #cancelPending(): void {
    const open = [...this.#pending];
    this.#pending.clear();
    for (const cancel of open) cancel();
  }
}
