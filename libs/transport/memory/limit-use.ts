import { RESOURCE_LIMITS } from '@penstock/protocol';
import type { LimitNotes, LimitUseRecords, ResourceUse } from '../ports/limits/limit-use.ts';

export class MemoryLimitUse implements LimitUseRecords {
  connected = true;
  /** Project → when it was seen last. */
  readonly #seen = new Map<string, number>();
  readonly #refusals = new Map<string, Record<string, number>>();
  /** What a test says that each project keeps. */
  readonly kept = new Map<string, Partial<ResourceUse>>();

  async note({ seen, refusals }: LimitNotes, now: number): Promise<void> {
    for (const project of seen) this.#seen.set(project, now);
    for (const { project, limit, count } of refusals) {
      const counts = this.#refusals.get(project) ?? {};
      this.#refusals.set(project, { ...counts, [limit]: (counts[limit] ?? 0) + count });
    }
  }

  async latest(most: number): Promise<string[]> {
    const all = [...this.#seen].sort(([, a], [, b]) => b - a);
    return all.slice(0, most).map(([project]) => project);
  }

  async resources(projects: readonly string[]): Promise<ResourceUse[]> {
    const none = Object.fromEntries(RESOURCE_LIMITS.map(limit => [limit, 0])) as unknown as ResourceUse;
    return projects.map(project => ({ ...none, ...this.kept.get(project) }));
  }

  async refusals(projects: readonly string[]): Promise<Record<string, number>[]> {
    return projects.map(project => this.#refusals.get(project) ?? {});
  }

  async close(): Promise<void> {}
}
