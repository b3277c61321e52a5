/** What limits of projects do, as metrics of a process: by the limit, never by the project. */
import type { MetricSet } from '@penstock/runtime';
import type { LimitObserver } from './project-limiter.ts';

/** Of a limit: above 1 in shadow mode alone. */
const USE_BUCKETS = [0.1, 0.25, 0.5, 0.75, 0.9, 1];

export function limitMetrics(set: MetricSet): LimitObserver {
  const refused = set.counter(
    'penstock_limited_requests_total',
    'Requests that a limit of their project refused (mode enforced), or would have (shadow), by the limit.',
    ...(['limit', 'endpoint', 'mode'] as const),
  );
  const uncounted = set.counter(
    'penstock_uncounted_requests_total',
    'Requests of limited projects that Redis did not count: refused, or let through, by PENSTOCK_LIMITS_WITHOUT_REDIS.',
  );
  const use = set.histogram(
    'penstock_limit_use_ratio',
    'How much of each limit a request that was let through found used, with itself.',
    USE_BUCKETS,
    'limit',
  );
  return {
    refused: ({ limit, endpoint, isShadow }) =>
      refused.inc({ limit, endpoint, mode: isShadow ? 'shadow' : 'enforced' }),
    uncounted: () => uncounted.inc(),
    used: (_, limit, part) => use.observe({ limit }, part),
  };
}
