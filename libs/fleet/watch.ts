/** Connects a {@link Fleet} to a region: heartbeats from the control channel, models from the registry. */
import {
  type ControlFilter,
  encodeMessage,
  type ModelInfo,
  readHeartbeat,
  readModelInfo,
} from '@penstock/protocol';
import type { Clock, DroppedMessages } from '@penstock/runtime';
import { Fleet } from './fleet.ts';
import { type ModelNamesOptions, NO_NAMES } from './model-names.ts';

export interface FleetSource {
  readonly region: string;
  /** Shards of the region. */
  readonly shards: number;
  readonly channel: {
    listen(
      filter: ControlFilter,
      onMessage: (payload: Uint8Array, reply: unknown, from: string) => void,
    ): void;
    readonly connected: boolean;
  };
  readonly registry: {
    list(region: string): Promise<Uint8Array[]>;
    announce(region: string, slug: string, info: Uint8Array): Promise<void>;
    remove(region: string, slug: string): Promise<void>;
  };
  /**
   * Deletes the work bound to a forgotten worker. Each ingress moved its own requests when the worker was lost, so whatever is
   * left was sent by an ingress that is gone. Absent in a process that binds no work.
   */
  readonly purgeBound?: (region: string, shard: number, worker: string) => void;
  readonly clock: Clock;
  /** Counts heartbeats and registered models that cannot be used. */
  readonly dropped: DroppedMessages;
  /** Aliases and fallbacks; absent where there are none. */
  readonly names?: ModelNamesOptions;
  /** Uniform in [0, 1). */
  readonly rand: () => number;
}

/** How long the registry remembers that a model was withdrawn, ms. */
const REMEMBERED_MS = 24 * 3_600_000;

/** A fleet that hears heartbeats from now on and knows the registered models. The caller sweeps it once a second. */
export async function watchFleet(source: FleetSource): Promise<Fleet> {
  const { region, shards, channel, registry, purgeBound, clock, names = NO_NAMES, rand, dropped } = source;
  const fleet = new Fleet({
    ...{ shards, clock, names, rand },
    connected: () => channel.connected,
    registeredModels: () => readModels(source),
    // Where the registry cannot be reached, another process of the region tells it the same, or the next start asks in vain.
    registerModel: model => void registry.announce(region, model.slug, encodeMessage(model)).catch(() => {}),
    onForgotten: (worker, shard) => purgeBound?.(region, shard, worker),
  });
  channel.listen({ kind: 'heartbeats', region }, (payload, _reply, from) => {
    const heartbeat = readHeartbeat(payload, from);
    if (heartbeat === null || !fleet.hear(heartbeat)) dropped.count('heartbeat');
  });
  await fleet.readRegistry();
  return fleet;
}

async function readModels({ registry, region, clock, dropped }: FleetSource): Promise<ModelInfo[]> {
  const listed = await registry.list(region);
  const models = listed.map(readModelInfo).filter(isReadable);
  dropped.count('record', listed.length - models.length);
  const isOld = ({ withdrawnAt = clock.now() }: ModelInfo) => clock.now() - withdrawnAt > REMEMBERED_MS;
  for (const { slug } of models.filter(isOld)) await registry.remove(region, slug);
  return models.filter(model => !isOld(model));
}

/** An entry that a newer version wrote may be unreadable. */
function isReadable(model: ModelInfo | null): model is ModelInfo {
  return model !== null;
}
