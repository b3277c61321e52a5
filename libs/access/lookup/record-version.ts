/**
 * Whether what was read of projects and keys still holds: every change raises one number, which is asked for once a second. While it is
 * known to be the same, nothing else has to be asked; so a revoked key is refused by all processes after {@link CONFIRMED_MS} at the latest.
 */
import { type Clock, oneAtATime } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';

/** How long an answer counts: three rounds, so that one that is slow does not send every request to the store. */
export const CONFIRMED_MS = 3000;

export class RecordVersion {
  readonly #records: Pick<ProjectRecords, 'connected' | 'version'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #current = -1;
  #confirmedAt = -Infinity;
  /** Call once a second. Never rejects: while the store does not answer nothing is confirmed. */
  readonly ask = oneAtATime(() => this.#ask());

  constructor(records: Pick<ProjectRecords, 'connected' | 'version'>, clock: Pick<Clock, 'monotonic'>) {
    this.#records = records;
    this.#clock = clock;
  }

  get current(): number {
    return this.#current;
  }

  get isConfirmed(): boolean {
    return this.unconfirmedMs <= CONFIRMED_MS;
  }

  /** Since the store answered last. */
  get unconfirmedMs(): number {
    return this.#clock.monotonic() - this.#confirmedAt;
  }

  async #ask(): Promise<void> {
    if (!this.#records.connected) return;
    const askedAt = this.#clock.monotonic();
    this.#current = await this.#records.version();
    this.#confirmedAt = askedAt;
  }
}
