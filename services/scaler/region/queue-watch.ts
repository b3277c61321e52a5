/** Asks the broker what waits, round after round. What could not be asked stays as it was, and gets old. */
import { type Clock, type Logger, within } from '@penstock/runtime';
import type { QueueSurvey, SurveyedQueue } from '@penstock/transport';

/** What takes longer is not waited for. */
const LIMIT_MS = 4000;

export class QueueWatch {
  readonly #survey: Pick<QueueSurvey, 'look'>;
  readonly #clock: Clock;
  readonly #log: Pick<Logger, 'debug'>;
  #queues: readonly SurveyedQueue[] = [];
  /** Monotonic ms. */
  #seenAt: number | null = null;
  #isLooking = false;

  constructor(survey: Pick<QueueSurvey, 'look'>, clock: Clock, log: Pick<Logger, 'debug'>) {
    this.#survey = survey;
    this.#clock = clock;
    this.#log = log;
  }

  get queues(): readonly SurveyedQueue[] {
    return this.#queues;
  }

  get ageS(): number {
    return this.#seenAt === null ? Number.POSITIVE_INFINITY : (this.#clock.monotonic() - this.#seenAt) / 1000;
  }

  /** Never rejects. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const startedAt = this.#clock.monotonic();
      const { queues } = await within(LIMIT_MS, this.#survey.look());
      this.#queues = queues;
      this.#seenAt = startedAt;
    } catch (err) {
      this.#log.debug({ err }, 'queues not looked at; trying again');
    } finally {
      this.#isLooking = false;
    }
  }
}
