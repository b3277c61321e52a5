/** Tells the region which projects have limits and how often these refused something, for operators to see: a few times a minute, never in the way of a request. */
import { type Clock, oneAtATime } from '@penstock/runtime';
import type { LimitUseRecords } from '@penstock/transport';
import type { LimitObserver, LimitRefused } from './project-limiter.ts';

const EVERY_MS = 5000;
/** Kept until they are told; what is more is not seen. */
const MOST_PROJECTS = 10_000;

export class LimitActivity implements LimitObserver {
  readonly #records: Pick<LimitUseRecords, 'connected' | 'note'>;
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  /** Project → limit → how often it refused; a project that was only seen has none. */
  #seen = new Map<string, Map<string, number>>();
  #toldAt = -Infinity;
  readonly #tell = oneAtATime(() => this.#tellNow());

  constructor(records: Pick<LimitUseRecords, 'connected' | 'note'>, clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#records = records;
    this.#clock = clock;
  }

  refused({ project, limit, isShadow }: LimitRefused): void {
    const counts = this.#of(project);
    if (!isShadow) counts?.set(limit, (counts.get(limit) ?? 0) + 1);
  }

  used(project: string): void {
    this.#of(project);
  }

  uncounted(): void {}

  /** For lines of batches, which wait: nobody is refused. */
  withoutRefusals(): LimitObserver {
    const seen = (project: string) => this.used(project);
    return { refused: ({ project }) => seen(project), used: seen, uncounted() {} };
  }

  /** Call once a second. Never rejects. */
  tick(): void {
    const now = this.#clock.monotonic();
    if (this.#seen.size === 0 || now - this.#toldAt < EVERY_MS || !this.#records.connected) return;
    this.#toldAt = now;
    void this.#tell();
  }

  /** What could not be told is forgotten: nothing depends on it. */
  async #tellNow(): Promise<void> {
    const seen = this.#seen;
    this.#seen = new Map();
    const refusals = [...seen].flatMap(([project, counts]) =>
      [...counts].map(([limit, count]) => ({ project, limit, count })),
    );
    await this.#records.note({ seen: [...seen.keys()], refusals }, this.#clock.now());
  }

  #of(project: string): Map<string, number> | undefined {
    const known = this.#seen.get(project);
    if (known !== undefined || this.#seen.size >= MOST_PROJECTS) return known;
    const counts = new Map<string, number>();
    this.#seen.set(project, counts);
    return counts;
  }
}

/** Tells all of them. */
export function allOf(observers: readonly LimitObserver[]): LimitObserver {
  return {
    refused: refusal => {
      for (const each of observers) each.refused(refusal);
    },
    uncounted: () => {
      for (const each of observers) each.uncounted();
    },
    used: (project, limit, part) => {
      for (const each of observers) each.used(project, limit, part);
    },
  };
}
