/** What the message of a request says, for the tests of all rooms. */
import type { WorkMeta } from './wire/envelope.ts';

/** Of a plain call `r1` for model `m` by ingress `in-1`, accepted at 0, with a second's time. */
export function workMeta(change: Partial<WorkMeta> = {}): WorkMeta {
  return {
    ...({ v: 1, id: 'r1', from: 'in-1', endpoint: 'chat', model: 'm', slug: 'm' } as const),
    ...({ lane: 'interactive', size: 'short', stream: false, promptTokens: 1, maxTokens: null } as const),
    ...{ acceptedAt: 0, deadlineAt: 1000, attemptBase: 0, stored: false, ask: false, held: {}, fleetRate: 0 },
    ...change,
  };
}
