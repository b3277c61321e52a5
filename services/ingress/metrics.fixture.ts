/** Metrics of an ingress that has nothing to show. */
import { createIngressMetrics, type IngressMetrics } from './metrics.ts';

export function emptyIngressMetrics(): IngressMetrics {
  const none = () => 0;
  const fleet = { workers: 0, nameOf: () => 'm', slotsByModel: () => [], workersByModel: () => [] };
  return createIngressMetrics({ open: none, oldestWaitS: none, bodyBytes: none, answerBytes: none, fleet });
}
