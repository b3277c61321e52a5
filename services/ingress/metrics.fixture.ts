/** Metrics of an ingress that has nothing to show. */
import { DroppedMessages } from '@penstock/runtime';
import { createIngressMetrics, type IngressMetrics } from './metrics.ts';

export function emptyIngressMetrics(): IngressMetrics {
  const none = () => 0;
  const fleet = { workers: 0, nameOf: () => 'm', slotsByModel: () => [], workersByModel: () => [] };
  return createIngressMetrics({
    open: none,
    atDoor: () => [],
    oldestWaitS: none,
    bodyBytes: none,
    fileRefused: none,
    answerBytes: none,
    fleet,
    dropped: new DroppedMessages(),
    certificate: { endsAt: 0, isStale: false },
  });
}
