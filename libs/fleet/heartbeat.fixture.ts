/** Heartbeats as a worker sends them, for the tests of this room. */
import { type Heartbeat, type ModelInfo, USUAL_ENDPOINTS } from '@penstock/protocol';

export function modelOf(name: string, architecture: ModelInfo['architecture'] = null): ModelInfo {
  return { name, slug: name, created: 0, ownedBy: 'x', architecture, endpoints: [...USUAL_ENDPOINTS] };
}

/** Of an idle worker `w-1` that serves the model `m`, but for what is given. */
export function heartbeatOf(some: Partial<Heartbeat>): Heartbeat {
  return {
    ...{ v: 1, worker: 'w-1', incarnation: 'p1', models: [modelOf('m')], shard: 0, slots: 8 },
    ...{ pulling: true, leaving: false, waitS: 0, tokensPerSec: 10_000, load: 0 },
    ...{ cacheTokens: 0, cacheCapacity: null },
    ...some,
  };
}
