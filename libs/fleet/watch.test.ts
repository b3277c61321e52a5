import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlSubject, encodeMessage } from '@penstock/protocol';
import { DroppedMessages } from '@penstock/runtime';
import { heartbeatOf, modelOf } from './fleet.fixture.ts';
import { watchFleet } from './watch.ts';

test('a fleet hears the heartbeats of its region, knows the registered models, and purges for forgotten workers', async () => {
  let now = 0;
  const heard = new Map<string, (payload: Uint8Array, reply: unknown, from: string) => void>();
  const dropped = new DroppedMessages();
  const purged: string[] = [];
  const fleet = await watchFleet({
    ...{ region: 'eu', shards: 4, rand: () => 0 },
    channel: { connected: true, listen: (filter, onMessage) => heard.set(controlSubject(filter), onMessage) },
    registry: {
      announce: async () => {},
      remove: async () => {},
      list: async () => [encodeMessage(modelOf('asleep')), Buffer.from('{"of":"a newer version"}')],
    },
    dropped,
    purgeBound: (region, shard, worker) => purged.push(`${region} ${shard} ${worker}`),
    clock: { now: () => now, monotonic: () => now },
  });
  assert.deepEqual([...heard.keys()], ['hb.eu.*']);
  const hear = (payload: Uint8Array, from = 'w-1') => heard.get('hb.eu.*')?.(payload, null, from);
  hear(Buffer.from('no heartbeat'));
  hear(encodeMessage(heartbeatOf({ shard: 3 })));
  // Of somebody else, and of one that gives a model the queue of another.
  hear(encodeMessage(heartbeatOf({ shard: 2, leaving: true })), 'w-2');
  hear(encodeMessage(heartbeatOf({ models: [{ ...modelOf('m'), slug: 'nowhere' }] })));
  assert.deepEqual([dropped.of('heartbeat'), dropped.of('record')], [3, 1]);
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
