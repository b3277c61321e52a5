import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlSubject, encodeMessage } from '@penstock/protocol';
import { heartbeatOf, modelOf } from './fleet.fixture.ts';
import { watchFleet } from './watch.ts';

test('a fleet hears the heartbeats of its region, knows the registered models, and purges for forgotten workers', async () => {
  let now = 0;
  const heard = new Map<string, (payload: Uint8Array) => void>();
  const purged: string[] = [];
  const fleet = await watchFleet({
    ...{ region: 'eu', shards: 4, rand: () => 0 },
    channel: { connected: true, listen: (filter, onMessage) => heard.set(controlSubject(filter), onMessage) },
    registry: {
      announce: async () => {},
      remove: async () => {},
      list: async () => [encodeMessage(modelOf('asleep')), Buffer.from('{"of":"a newer version"}')],
    },
    purgeBound: (region, shard, worker) => purged.push(`${region} ${shard} ${worker}`),
    clock: { now: () => now, monotonic: () => now },
  });
  assert.deepEqual([...heard.keys()], ['hb.eu.*']);
  heard.get('hb.eu.*')?.(Buffer.from('no heartbeat'));
  heard.get('hb.eu.*')?.(encodeMessage(heartbeatOf({ shard: 3 })));
  assert.deepEqual(
    fleet.models().map(({ name }) => name),
    ['asleep', 'm'],
  );
  assert.deepEqual([fleet.workers, fleet.shardFor('m'), fleet.shardOfWorker('w-1')], [1, 3, 3]);
  for (let second = 0; second < 62; second++) {
    now += 1000;
    fleet.sweep();
  }
  assert.deepEqual(purged, ['eu 3 w-1']);
});
