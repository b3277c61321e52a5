/** A fleet, and heartbeats as a worker sends them, for the tests of this room. */
import { type Heartbeat, type ModelInfo, USUAL_ENDPOINTS } from '@penstock/protocol';
import { Fleet, type FleetOptions } from './fleet.ts';

/** On the clock of the test, connected, with an empty registry, but for what is given. @param time ms, and what is drawn in place of chance. */
export function fleetAt(
  time: { readonly now: number; readonly rand?: number },
  some: Partial<FleetOptions> = {},
) {
  return new Fleet({
    shards: 1,
    clock: { now: () => time.now, monotonic: () => time.now },
    rand: () => time.rand ?? 0,
    connected: () => true,
    registeredModels: async () => [],
    registerModel() {},
    onForgotten() {},
    ...some,
  });
}

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
