/** Stored runs of limited projects that this process accepted: what each needed is settled when it is final. */
import type { TokenUse } from '@penstock/policy';
import { isErrorStatus, isFinalStatus, readTokenUse, type StoredRun } from '@penstock/protocol';
import type { RunStore } from '@penstock/transport';
import { FREE_PASS, type LimitPass } from './project-limiter.ts';

/** At once; of more, the oldest stay as they were taken to be. Some 500 bytes each. */
const MOST = 20_000;
/** Announcements may be lost: so many runs are looked at, at this interval, s. */
const LOOK_EVERY_S = 10;
const LOOKED_AT = 500;

interface Held {
  readonly pass: LimitPass;
  readonly reserved: TokenUse;
}

export class RunPasses {
  readonly #store: Pick<RunStore, 'progress' | 'read'>;
  /** By id of the run; those that were looked at longest ago first. */
  readonly #held = new Map<string, Held>();
  #seconds = 0;

  constructor(store: Pick<RunStore, 'progress' | 'read'>) {
    this.#store = store;
  }

  get size(): number {
    return this.#held.size;
  }

  add(id: string, held: Held): void {
    if (held.pass === FREE_PASS) return;
    this.#held.set(id, held);
    const [oldest] = this.#held.keys();
    if (this.#held.size > MOST && oldest !== undefined) this.#settle(oldest, held => held.reserved);
  }

  /** A run is final, or is none of this process. */
  ended(id: string): void {
    if (this.#held.has(id)) void this.#read(id);
  }

  /** Call once a second. */
  tick(): void {
    if (++this.#seconds % LOOK_EVERY_S === 0 && this.#held.size > 0) void this.#look();
  }

  async #look(): Promise<void> {
    const ids = [...this.#held.keys()].slice(0, LOOKED_AT);
    try {
      for (const [i, found] of (await this.#store.progress(ids)).entries()) {
        const id = ids[i] ?? '';
        const held = this.#held.get(id);
        if (held === undefined) continue;
        this.#held.delete(id);
        this.#held.set(id, held);
        if (found === null || isFinalStatus(found.status)) await this.#read(id);
      }
    } catch {
      // A store that is away is asked again.
    }
  }

  async #read(id: string): Promise<void> {
    try {
      const run = await this.#store.read(id);
      if (run === null || isFinalStatus(run.status)) this.#settle(id, held => useOf(run, held.reserved));
    } catch {
      // It is looked at again.
    }
  }

  #settle(id: string, useOf: (held: Held) => TokenUse): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    held.pass.settle(useOf(held));
  }
}

/** @param run null for one that was removed. */
function useOf(run: StoredRun | null, reserved: TokenUse): TokenUse {
  if (run === null) return reserved;
  const { result, attempt } = run;
  const hasAnswer = result !== null && !isErrorStatus(result.status);
  if (!hasAnswer) return { prompt: attempt > 0 ? reserved.prompt : 0, output: 0 };
  const { prompt, output } = readTokenUse(result.body);
  return { prompt: prompt ?? reserved.prompt, output: output ?? reserved.output };
}
