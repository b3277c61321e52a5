/** The dispatchers that can be named on the command line. */

import type { DispatcherFactory } from './dispatchers/dispatcher.ts';
import {
  cacheAware,
  leastRequests,
  oracle,
  plainPull,
  powerOfTwo,
  random,
  roundRobin,
} from './dispatchers/routers.ts';
import { penstock } from './penstock/penstock.ts';

export const POLICIES: Readonly<Record<string, DispatcherFactory>> = {
  'round-robin': roundRobin,
  random,
  'power-of-two': powerOfTwo,
  'least-requests': leastRequests(0),
  'least-requests-1s': leastRequests(1000),
  'least-requests-5s': leastRequests(5000),
  'cache-aware': cacheAware,
  'plain-pull': plainPull,
  'penstock-no-affinity': penstock({ affinity: false }),
  penstock: penstock(),
  oracle,
};

/** @throws RangeError that lists the names there are. */
export function policyOf(name: string): DispatcherFactory {
  const policy = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (policy === undefined)
    throw new RangeError(`no policy ${name}; there are ${Object.keys(POLICIES).join(', ')}`);
  return policy;
}
