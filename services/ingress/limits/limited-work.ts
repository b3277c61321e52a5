/** A request that was understood, as limits see it. */
import { type LimitedWork, reservedFor } from '@penstock/access';
import type { Endpoint } from '@penstock/protocol';
import type { InferenceRequest } from '../intake/understand.ts';

export function limitedWork(id: string, endpoint: Endpoint, read: InferenceRequest): LimitedWork {
  const { model, promptTokens, summary } = read;
  const use = reservedFor(endpoint, promptTokens, summary.maxTokens);
  return { id, endpoint, model, use, part: 1, isParallel: true };
}
