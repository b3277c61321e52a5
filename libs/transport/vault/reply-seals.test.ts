import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Frame, WorkEnvelope } from '@penstock/protocol';
import { workMeta } from '../../protocol/work-meta.fixture.ts';
import { MemoryDataKeys } from '../memory/data-keys.ts';
import { GivenSeals } from './given-seals.ts';
import { KeyList } from './key-list.ts';
import { extractOf, isSealed, recordKeyOf } from './sealed-bytes.ts';
import { Vault } from './vault.ts';
import { WorkSeals } from './work-seals.ts';

const keys = (name: string) => KeyList.parse(KeyList.draw(name), 'PENSTOCK_X');
const work = keys('w1');
const clock = { now: () => 0, monotonic: () => 0 };
const vault = new Vault({ records: new MemoryDataKeys(), wrapper: keys('k1'), isOn: true, clock });
const failure = { code: 'engine_error', message: 'what was asked', retryable: true };

function frame(change: Partial<Frame> = {}): Frame {
  const body = Buffer.from('what was answered');
  return { ...{ id: 'r1', attempt: 1, nonce: 7, seq: 2, kind: 'events', meta: '', body }, ...change };
}

/** An ingress and a worker, of which the one has given the other a request. */
async function given(isAll: boolean, change: Partial<WorkEnvelope['meta']> = {}) {
  const ingress = new WorkSeals(vault, work, isAll);
  const worker = new GivenSeals(work);
  const meta = workMeta({ id: 'r1', ...change });
  worker.receive(await ingress.seal('p', { meta, body: Buffer.from('{}') }));
  return { ingress, worker, sent: (of: Frame) => worker.sealFrame(of) };
}

test('an answer to a client that waits is sealed on its way, and opens where its request was made', async () => {
  const { ingress, sent } = await given(true);
  const [events, failed] = [
    frame(),
    frame({ kind: 'failed', meta: JSON.stringify(failure), body: Buffer.alloc(0) }),
  ];
  const accepted = frame({ kind: 'accepted', meta: '{"ack":"a"}', body: Buffer.alloc(0) });
  assert.ok(isSealed(sent(events).body));
  assert.ok(!sent(failed).meta.includes('asked'));
  assert.equal(sent(accepted), accepted);
  for (const each of [events, failed, accepted]) assert.deepEqual(ingress.replies.open(sent(each)), each);
});

test('answers of stored runs, of other requests, and without the setting stay as they are', async () => {
  for (const { sent } of [await given(false), await given(true, { stored: true })])
    assert.equal(sent(frame()).body.toString(), 'what was answered');
  const { ingress, sent } = await given(true);
  assert.equal(sent(frame({ id: 'r2' })).body.toString(), 'what was answered');
  assert.deepEqual(ingress.replies.open(frame()), frame());
});

test('a frame opens in its own place alone, and of a request that is forgotten not at all', async () => {
  const { ingress, sent } = await given(true);
  const sealed = sent(frame());
  for (const elsewhere of [{ seq: 3 }, { attempt: 2 }, { nonce: 8 }])
    assert.throws(() => ingress.replies.open({ ...sealed, ...elsewhere }), { name: 'SealError' });
  ingress.replies.forget('r1');
  assert.equal(ingress.replies.open(sealed), sealed);
});

test('a request that was sealed again on another day is answered under either key', async () => {
  const { ingress, sent } = await given(true);
  const place = { project: 'p', record: 'run:r1' };
  ingress.replies.add('r1', recordKeyOf(extractOf(randomBytes(32)), '1970-01-02-a', place));
  assert.deepEqual(ingress.replies.open(sent(frame())), frame());
});
