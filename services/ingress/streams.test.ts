import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '@penstock/runtime';
import { ConnectError } from '@penstock/transport';
import { makeStreams } from './streams.ts';

const LIMITS = { maxMessages: 1, maxBytes: 1 };

/** @param fails what making the first stream fails with, one after another. */
function world(fails: Error[]) {
  const said: string[] = [];
  const options = {
    queue: {
      ensureWorkStream: async (_region: string, shard: number) => {
        const err = fails.shift();
        if (err !== undefined) throw err;
        said.push(`stream ${shard}`);
      },
      ensureDeadStream: async () => void said.push('dead letters'),
    },
    ...{ region: 'eu', shards: 2, limits: LIMITS, pause: async () => void said.push('pause') },
    log: { warn: ({ err }: { err: Error }) => void said.push(err.message) } as unknown as Logger,
  };
  return { said, options };
}

test('a broker that has no leader yet is waited for, and each reason is told once', async () => {
  const [none, few] = [new Error('no responders'), new Error('no suitable peers for placement')];
  const { said, options } = world([none, none, few]);
  await makeStreams(options);
  assert.deepEqual(said, [
    ...['no responders', 'pause', 'pause', 'no suitable peers for placement', 'pause'],
    ...['stream 0', 'stream 1', 'dead letters'],
  ]);
});

test('what waiting cannot mend ends the start', async () => {
  const { said, options } = world([new ConnectError('one nats-server keeps one copy')]);
  await assert.rejects(makeStreams(options), ConnectError);
  assert.deepEqual(said, []);
});
