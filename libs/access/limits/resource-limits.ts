/**
 * Limits on what a project keeps: files, open batches, queued work, webhook endpoints. Whoever keeps it counts it and refuses what is too much in one
 * step, so the count is exact over all nodes and there is no second one. Here is what they are asked to refuse, and what is said of it.
 */
import { DispatchError, type ErrorCode, type ResourceLimit, UNLIMITED, type Use } from '@penstock/protocol';
import { ALL_MODELS, type LimitSettings } from './limit-terms.ts';
import type { LimitedCaller, LimitObserver } from './project-limiter.ts';

interface Words {
  /** What is limited. */
  readonly of: string;
  /** What the client can do. */
  readonly remedy: string;
  /** When it may be asked again, ms; null where nothing ends by itself. */
  readonly retryAfterMs: number | null;
}

const DELETE_FILES = { remedy: 'Delete files that are not needed any more', retryAfterMs: null };
const WAIT_FOR_RUNS = {
  remedy: 'Try again when jobs or background responses have ended, or cancel some',
  retryAfterMs: 2000,
};
const WORDS: Readonly<Record<ResourceLimit, Words>> = {
  max_files: { of: 'files', ...DELETE_FILES },
  max_stored_bytes: { of: 'bytes of files', ...DELETE_FILES },
  max_open_batches: {
    ...{ of: 'open batches', remedy: 'Try again when a batch has ended, or cancel one' },
    retryAfterMs: 15_000,
  },
  max_queued_requests: { of: 'queued requests', ...WAIT_FOR_RUNS },
  max_queued_bytes: { of: 'bytes of queued requests', ...WAIT_FOR_RUNS },
  max_webhook_endpoints: {
    ...{ of: 'webhook endpoints', remedy: 'Delete one that is not needed any more', retryAfterMs: null },
  },
};

/** What there was of something, and what is to come. */
export type Addition = readonly [before: number, more: number];

/** What a project may keep with one request. */
export interface ResourceAllowance {
  /** For whoever counts it; undefined where nothing is to be refused. */
  most(limit: ResourceLimit): number | undefined;
  /** Tells what there was. @throws DispatchError of the first limit that refuses what was to come. */
  check(additions: Readonly<Partial<Record<ResourceLimit, Addition>>>): void;
}

export class ResourceLimits {
  readonly #settings: Pick<LimitSettings, 'defaults' | 'isShadow'>;
  readonly #observer: Pick<LimitObserver, 'refused' | 'used'>;

  constructor(
    settings: Pick<LimitSettings, 'defaults' | 'isShadow'>,
    observer: Pick<LimitObserver, 'refused' | 'used'>,
  ) {
    this.#settings = settings;
    this.#observer = observer;
  }

  /** @param endpoint that was asked for. */
  of({ project, limits }: LimitedCaller, endpoint: Use): ResourceAllowance {
    const own = { ...this.#settings.defaults, ...limits[ALL_MODELS] };
    const isEnforced = !this.#settings.isShadow && own['shadow'] !== 1;
    const mostOf = (limit: ResourceLimit) => {
      const most = own[limit];
      return most === undefined || most >= UNLIMITED ? undefined : most;
    };
    return {
      most: limit => (isEnforced ? mostOf(limit) : undefined),
      check: additions => {
        const all = Object.entries(additions) as [ResourceLimit, Addition][];
        for (const [limit, [before, more]] of all) {
          const most = mostOf(limit);
          if (most === undefined) continue;
          if (before + more > most) {
            this.#observer.refused({ project, limit, endpoint, isShadow: !isEnforced });
            if (isEnforced) throw refusalOf(project, limit, most, [before, more]);
          }
          if (most > 0) this.#observer.used(project, limit, (before + more) / most);
        }
      },
    };
  }
}

function refusalOf(
  project: string,
  limit: ResourceLimit,
  most: number,
  [before, more]: Addition,
): DispatchError {
  const { of, remedy, retryAfterMs } = WORDS[limit];
  const counts = `Limit ${most}, used ${before}, requested ${more}.`;
  const whose = `project ${project} on ${of} (${limit})`;
  const code: ErrorCode = retryAfterMs === null ? 'resource_limit_exceeded' : 'rate_limit_exceeded';
  if (more > most)
    return new DispatchError(code, {
      message: `Request too large for ${whose}. ${counts} Send a smaller request, or ask the operator to raise the limit.`,
      shouldRetry: false,
    });
  return new DispatchError(code, {
    message: `Limit reached for ${whose}. ${counts} ${remedy}, or ask the operator to raise the limit.`,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}
