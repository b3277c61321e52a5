/** When keys were used, noted once a minute: enough to see which ones nobody uses any more. */
import type { ProjectRecords } from '@penstock/transport';

const EVERY_S = 60;

export class KeyUses {
  readonly #store: Pick<ProjectRecords, 'connected' | 'noteUses'>;
  /** Id → the minute of its last use, Unix seconds; what was written stays until the next minute. */
  #uses = new Map<string, number>();
  #writtenAt = 0;

  constructor(store: Pick<ProjectRecords, 'connected' | 'noteUses'>) {
    this.#store = store;
  }

  /** @param now Unix seconds. */
  note(id: string, now: number): void {
    this.#uses.set(id, now - (now % EVERY_S));
  }

  /** Call once a second. Never rejects: a use that was not written is forgotten. */
  async write(now: number): Promise<void> {
    if (now - this.#writtenAt < EVERY_S || !this.#store.connected) return;
    this.#writtenAt = now;
    const uses = this.#uses;
    this.#uses = new Map();
    await this.#store.noteUses(uses).catch(() => {});
  }
}
