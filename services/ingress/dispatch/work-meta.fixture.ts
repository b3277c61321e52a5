import { sharedAddress, type WorkMeta } from '@penstock/protocol';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;

/** Where the request of {@link workMeta} is queued. */
export const ADDRESS = sharedAddress(KEY, 'r1');

/** The metadata of a request `r1` for model `m`, not streamed, accepted at 0. */
export function workMeta(change: Partial<WorkMeta> = {}): WorkMeta {
  return {
    ...({ v: 1, id: 'r1', from: 'in-1', endpoint: 'chat', model: 'm', slug: 'm' } as const),
    ...({ lane: 'interactive', size: 'short', stream: false, promptTokens: 1, maxTokens: null } as const),
    ...{ acceptedAt: 0, deadlineAt: 1000, attemptBase: 0, stored: false, ask: false, held: {}, fleetRate: 0 },
    ...change,
  };
}
