/** What an ingress says of what it counts, for the tests of all rooms. */
import type { IngressStatus } from './control/ingress-status.ts';

/** Of a node `in-1` that has counted something of everything, and where one request waits; but for what is given. */
export function ingressStatus(change: Partial<IngressStatus> = {}): IngressStatus {
  return {
    ...{ v: 1, ingress: 'in-1', incarnation: 'p1', leaving: false, open: 2, arrivals: 9 },
    ...{ finished: { done: 7 }, placements: { cached: 9 } },
    ...{ promptTokens: { m: 70 }, expectedTokens: { m: 50 }, cachedTokens: {} },
    ttft: { bounds: [0.1, 1], counts: [1, 5, 7] },
    queueWait: { bounds: [0.1, 1], counts: [6, 7, 7] },
    waiting: [{ slug: 'm', lane: 'interactive', requests: 1, atDoor: 0, oldestMs: 20 }],
    ...change,
  };
}
