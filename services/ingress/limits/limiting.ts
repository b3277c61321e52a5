/** How an ingress holds projects to their limits. */
import { type LimitSettings, ProjectLimiter, ResourceLimits, RunPasses } from '@penstock/access';
import type { Fleet } from '@penstock/fleet';
import type { Clock } from '@penstock/runtime';
import type { LimitLedger, RunStore } from '@penstock/transport';
import type { IngressMetrics } from '../metrics.ts';

export interface LimitingPorts {
  readonly limits: LimitLedger;
  readonly runStore: Pick<RunStore, 'progress' | 'read'>;
}

export function limitingOf(
  { limits: ledger, runStore }: LimitingPorts,
  settings: LimitSettings,
  fleet: Pick<Fleet, 'target'>,
  metrics: Pick<IngressMetrics, 'limits'>,
  clock: Clock,
) {
  const targetOf = (name: string) => fleet.target(name);
  const limiter = new ProjectLimiter({ ledger, settings, targetOf, observer: metrics.limits, clock });
  const passes = new RunPasses(runStore);
  return {
    ...{ limiter, passes, resources: new ResourceLimits(settings, metrics.limits) },
    /** Call once a second. */
    tick() {
      limiter.tick();
      passes.tick();
    },
  };
}
