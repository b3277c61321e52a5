import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope, encodeEnvelope, sharedAddress, type WorkEnvelope } from '@penstock/protocol';
import { workMeta } from '../../../protocol/work-meta.fixture.ts';
import { asDeadLetter } from './dead-letter.ts';

const address = sharedAddress(
  { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' },
  'r1',
);
const run = { kind: 'job', tenant: 't', detail: 'what was asked' } as const;
const encoded = (change: object) => encodeEnvelope(workMeta({ run, ...change }), Buffer.from('the prompt'));

test('work is kept as it is, with what its failure says', async () => {
  const data = encoded({ partOf: 'conv' });
  const letter = await asDeadLetter(address, 'no room', data, undefined);
  assert.deepEqual(letter, { subject: 'dead.eu.m.r1.conv', message: 'no room', data, discarded: null });
});

test('of what a client wants nothing kept of neither request nor words are left', async () => {
  const { claim } = { claim: { digest: 'a'.repeat(64), bytes: 5 } };
  const letter = await asDeadLetter(
    address,
    'the prompt is bad',
    encoded({ store: false, claim }),
    undefined,
  );
  const { meta, body } = decodeEnvelope(letter.data);
  assert.deepEqual(
    [body.length, meta.claim, meta.run, meta.store, letter.message],
    [0, undefined, undefined, false, ''],
  );
  assert.equal(letter.discarded?.claim?.bytes, 5);
  assert.ok(!/asked|prompt is/.test(Buffer.from(letter.data).toString()));
});

test('what is sealed for it, or was before, keeps no words in the clear', async () => {
  const sealed = {
    sealedKept: async ({ meta }: WorkEnvelope) => ({
      meta: { ...meta, v: 2 as const },
      body: Buffer.from('x'),
    }),
  };
  const letter = await asDeadLetter(address, 'the prompt is bad', encoded({}), sealed);
  assert.deepEqual([decodeEnvelope(letter.data).body.toString(), letter.message], ['x', '']);
  assert.equal((await asDeadLetter(address, 'no', encoded({ v: 2 }), undefined)).message, '');
});

test('a message of a later version is kept as it is', async () => {
  const data = Buffer.from('{"v":9,"id":"r1"}\nx');
  const letter = await asDeadLetter(address, 'no', data, undefined);
  assert.deepEqual(letter, { subject: 'dead.eu.m.r1', message: '', data, discarded: null });
});
