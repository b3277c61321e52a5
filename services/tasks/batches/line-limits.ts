/** Lines of batches within the limits of their projects: a line that there is no room for waits, and the half of each rate is left to calls. */
import { type KnownLimits, type ProjectLimiter, type RunPasses, reservedFor } from '@penstock/access';
import type { TokenEstimator } from '@penstock/policy';
import { type BatchLine, DispatchError, toModelSlug } from '@penstock/protocol';

/** Part of a rate that lines take. */
const PART = 0.5;
/** Limits may be changed while a line waits, ms. */
const MOST_WAIT_MS = 15_000;
/** Lines of a limited project that are held in memory while they wait, and their bytes, but for the first. */
export const HELD = { lines: 8, bytes: 65_536 } as const;

export interface LineLimitsOptions {
  readonly limiter: Pick<ProjectLimiter, 'enter' | 'isLimited'>;
  readonly known: Pick<KnownLimits, 'of'>;
  readonly passes: Pick<RunPasses, 'add'>;
  readonly estimator: Pick<TokenEstimator, 'estimate'>;
}

export class LineLimits {
  readonly #o: LineLimitsOptions;

  constructor(options: LineLimitsOptions) {
    this.#o = options;
  }

  /** Whether lines of the project may have to wait. */
  async isLimited(project: string): Promise<boolean> {
    const { limiter, known } = this.#o;
    // Who cannot say it says so of each line.
    const limits = await Promise.resolve(known.of(project)).catch(() => null);
    return limits === null || limiter.isLimited(limits);
  }

  /** @returns 0 for a line that may be queued, and counts from then on; else how long to wait, ms. */
  async enter(project: string, id: string, { endpoint, summary }: BatchLine): Promise<number> {
    const { limiter, known, passes, estimator } = this.#o;
    const slug = toModelSlug(summary.model);
    const promptTokens = estimator.estimate(slug, summary.prompt);
    const use = reservedFor(endpoint, promptTokens, summary.maxTokens);
    try {
      const limits = await known.of(project);
      const model = { name: summary.model, slug };
      const work = { id, endpoint, model, use, part: PART, isParallel: false };
      const pass = await limiter.enter({ project, limits }, work);
      passes.add(id, { pass, reserved: use });
      return 0;
    } catch (err) {
      if (!(err instanceof DispatchError)) throw err;
      return Math.min(MOST_WAIT_MS, err.retryAfterMs ?? MOST_WAIT_MS);
    }
  }
}
