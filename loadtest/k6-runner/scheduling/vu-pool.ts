/** Makes VUs, and keeps those that no scenario uses. */
import { modulesFor } from '../api/modules.ts';
import type { RunState } from '../script/run-state.ts';
import { globalsFor } from '../script/script-globals.ts';
import type { ScriptHost, ScriptNamespace } from '../script/script-host.ts';
import { VirtualUser } from '../script/vu.ts';
import type { VuSource } from './scenario-run.ts';

/** Instances that are evaluated at the same time. */
const BATCH = 32;

export class VuPool implements VuSource {
  readonly #run: RunState;
  readonly #host: ScriptHost;
  readonly #free: VirtualUser[] = [];
  #made = 0;
  #exported = new Set<string>();

  constructor(run: RunState, host: ScriptHost) {
    this.#run = run;
    this.#host = host;
  }

  /** Whether the script exports a function of that name. */
  has(name: string): boolean {
    return this.#exported.has(name);
  }

  /** Evaluates the script for one VU. @throws RunFailure */
  async load(id: number): Promise<{ vu: VirtualUser; exports: ScriptNamespace }> {
    const vu = new VirtualUser(id, this.#run);
    const exports = await this.#host.load(id, {
      vu: id,
      env: this.#run.env,
      globals: globalsFor(vu),
      module: modulesFor(vu),
    });
    vu.ready(exports);
    for (const [name, value] of Object.entries(exports)) {
      if (typeof value === 'function') this.#exported.add(name);
    }
    return { vu, exports };
  }

  async fill(count: number): Promise<void> {
    while (this.#free.length < count) {
      const size = Math.min(BATCH, count - this.#free.length);
      this.#free.push(...(await Promise.all(Array.from({ length: size }, () => this.#make()))));
    }
  }

  async take(): Promise<VirtualUser> {
    return this.#free.pop() ?? (await this.#make());
  }

  give(vu: VirtualUser): void {
    this.#free.push(vu);
  }

  async #make(): Promise<VirtualUser> {
    const { vu } = await this.load(++this.#made);
    this.#run.counters.vusInitialized++;
    return vu;
  }
}
