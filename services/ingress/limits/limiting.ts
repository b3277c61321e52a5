/** How an ingress holds projects to their limits. */
import {
  allOf,
  LimitActivity,
  type LimitSettings,
  ProjectLimiter,
  ResourceLimits,
  RunPasses,
} from '@penstock/access';
import type { Fleet } from '@penstock/fleet';
import type { Clock } from '@penstock/runtime';
import type { LimitLedger, LimitUseRecords, RunStore } from '@penstock/transport';
import type { IngressMetrics } from '../metrics.ts';

export interface LimitingPorts {
  readonly limits: LimitLedger;
  readonly limitUse: Pick<LimitUseRecords, 'connected' | 'note'>;
  readonly runStore: Pick<RunStore, 'progress' | 'read'>;
}

export function limitingOf(
  { limits: ledger, limitUse, runStore }: LimitingPorts,
  settings: LimitSettings,
  fleet: Pick<Fleet, 'target'>,
  metrics: Pick<IngressMetrics, 'limits'>,
  clock: Clock,
) {
  const targetOf = (name: string) => fleet.target(name);
  const activity = new LimitActivity(limitUse, clock);
  const observer = allOf([metrics.limits, activity]);
  const limiter = new ProjectLimiter({ ledger, settings, targetOf, observer, clock });
  const passes = new RunPasses(runStore);
  return {
    ...{ limiter, passes, resources: new ResourceLimits(settings, observer) },
    /** Call once a second. */
    tick() {
      limiter.tick();
      passes.tick();
      activity.tick();
    },
  };
}
