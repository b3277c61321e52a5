import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchError, decodeEnvelope, type NewRun } from '@penstock/protocol';
import { DroppedMessages } from '@penstock/runtime';
import { nth } from '@penstock/transport/contracts';
import {
  AnswerKeeper,
  addressOf,
  ConvertedCall,
  canReopen,
  DoneChannel,
  dueAgain,
  endedBy,
  publishRun,
  RECORD_SLACK_MS,
  RUNNING_SLACK_MS,
  recordOnce,
  reopen,
} from './index.ts';
import { aRun, key, LIMITS, queueKey, work, world } from './lifecycle.fixture.ts';

const ENDED = ['run_ended r1'];

test('a run is recorded, then queued, and its record outlives its time in the queue', async () => {
  const w = await world();
  const run = await w.acceptance.accept(aRun(), work, null);
  assert.equal(run.status, 'queued');
  const [message] = w.queue.published.items;
  assert.equal(message?.messageId, 'r1');
  assert.equal(message?.ttlMs, 10_000);
  const { meta, body } = decodeEnvelope(message?.data ?? Buffer.alloc(0));
  assert.equal(meta.stored, true);
  assert.equal(meta.log, 'none');
  assert.deepEqual([meta.acceptedAt, meta.deadlineAt, meta.slug, meta.lane], [0, 10_000, 'm', 'background']);
  assert.equal(body.toString(), '{}');
  w.state.storeNow = 10_000 + RECORD_SLACK_MS - 1;
  assert.equal(await w.statusOf('r1'), 'queued');
  w.state.storeNow++;
  assert.equal(await w.statusOf('r1'), undefined);
});

test('a key leads to the run that it made, which is queued again while nobody has begun it', async () => {
  const w = await world();
  await w.acceptance.accept(aRun(), work, key);
  const again = await w.acceptance.accept(aRun({ id: 'r2' }), work, key);
  assert.equal(again.id, 'r1');
  assert.deepEqual(
    w.queue.published.items.map(({ messageId }) => messageId),
    ['r1', 'r1'],
  );
  await w.begin(again, nth(1), 'w1');
  assert.equal((await w.acceptance.accept(aRun({ id: 'r3' }), work, key)).status, 'in_progress');
  assert.equal(w.queue.published.items.length, 2);
  await assert.rejects(w.acceptance.accept(aRun({ id: 'r4' }), work, { key: 'k', digest: 'e' }), {
    code: 'idempotency_key_reused',
  });
});

test('what the queue refuses is not recorded, unless a worker has it after all', async () => {
  const w = await world();
  await w.queue.ensureWorkStream('local', 0, { ...LIMITS, maxMessages: 0 });
  await assert.rejects(w.acceptance.accept(aRun(), work, key), { code: 'queue_full' });
  assert.equal(await w.statusOf('r1'), undefined);
  w.queue.publish = async () => {
    await w.begin(aRun(), nth(1), 'w1');
    throw new DispatchError('broker_unavailable');
  };
  assert.equal((await w.acceptance.accept(aRun(), work, key)).id, 'r1');
  assert.equal(await w.statusOf('r1'), 'in_progress');
});

test('a line that another process recorded first is queued where that one did', async () => {
  const w = await world();
  const first = aRun({ kind: 'batch_line' });
  await recordOnce(w.store, first, 10_000);
  const other = aRun({ kind: 'batch_line', queue: { ...queueKey, shard: 1 } });
  const recorded = await recordOnce(w.store, other, 10_000);
  assert.deepEqual(recorded.address, first.address);
  await publishRun(w.queue, recorded, Buffer.from('x'), 10_000);
  assert.deepEqual(w.queue.published.items[0]?.address, first.address);
});

test('stored chat completions are listed from the beginning, other runs never', async () => {
  const w = await world();
  await w.acceptance.accept(aRun(), work, null);
  await w.acceptance.accept(aRun({ id: 'r2', kind: 'completion' }), work, null);
  assert.deepEqual(await w.listed(), ['r2']);
});

test('only the current attempt ends a run, and who ends it says so', async () => {
  const w = await world();
  const run = await w.acceptance.accept(aRun(), work, null);
  const end = endedBy('none', { status: 200, contentType: 'application/json' }, Buffer.from('{}'), 5);
  assert.equal(await w.begin(run, nth(1), 'w1'), 'begun');
  assert.equal(await w.begin(run, nth(2), 'w2'), 'begun');
  assert.equal(await w.begin(run, nth(1), 'w1'), 'fenced');
  assert.equal(await w.attempts.finish('r1', nth(1), end), false);
  assert.deepEqual(w.sent(), []);
  assert.equal(await w.attempts.finish('r1', nth(2), end), true);
  assert.deepEqual(w.sent(), ENDED);
  assert.equal(await w.begin(run, nth(3), 'w3'), 'gone');
});

test('a failed run is tried again with a growing pause, three times at most, and not at all where it cannot help', async () => {
  const w = await world();
  const run = await w.acceptance.accept(aRun(), work, null);
  const failure = { code: 'engine_timeout', message: 'm', retryable: true };
  await w.begin(run, nth(1), 'w1');
  const first = await w.attempts.fail(run, nth(1), failure);
  await w.begin(run, nth(2), 'w1');
  const second = await w.attempts.fail(run, nth(2), failure);
  assert.deepEqual([first.kind, second.kind], ['again', 'again']);
  assert.ok(first.kind === 'again' && second.kind === 'again' && second.delayMs > first.delayMs);
  await w.begin(run, nth(3), 'w1');
  assert.deepEqual(await w.attempts.fail(run, nth(3), failure), { kind: 'final', code: 'engine_timeout' });
  assert.deepEqual(w.sent(), ENDED);
  assert.deepEqual(await w.attempts.fail(run, nth(3), failure), { kind: 'fenced' });

  const other = await w.acceptance.accept(aRun({ id: 'r2' }), work, null);
  await w.begin(other, nth(1), 'w1');
  const outcome = await w.attempts.fail(other, nth(1), {
    code: 'of a newer version',
    message: 'm',
    retryable: false,
  });
  assert.deepEqual(outcome, { kind: 'final', code: 'engine_error' });
  assert.equal((await w.store.read('r2'))?.result?.status, 502);
});

test('a cancel empties the queue, stops the engine and is announced; a final run stays as it is', async () => {
  const w = await world();
  const queued = await w.acceptance.accept(aRun(), work, null);
  // Begun after the record was read.
  await w.begin(queued, nth(1), 'w1');
  assert.equal((await w.canceller.cancel(queued)).status, 'cancelled');
  assert.deepEqual(w.queue.queued, []);
  const sent = ['worker {"cancel":"r1","attempt":1}', ...ENDED];
  assert.deepEqual(w.sent(), sent);
  await w.canceller.cancel(await w.finder.find('r1', 't', 'job'));
  assert.deepEqual(w.sent(), sent);
  await w.canceller.remove(queued);
  await assert.rejects(w.finder.find('r1', 't', 'job'), { code: 'job_not_found' });
});

test('with a run that has failed goes what is left of it elsewhere', async () => {
  const w = await world();
  await w.queue.ensureDeadStream('local');
  const run = aRun({ hasClaim: true });
  const claim = await w.bodies.put('r1', Buffer.from('long'));
  await w.acceptance.accept(run, { ...work, claim }, null);
  await w.queue.moveToDead(run.address, { code: 'engine_error', message: 'm' });
  assert.equal(w.queue.deadLetters.items.length, 1);
  await w.begin(run, nth(1), 'w1');
  await w.attempts.fail(run, nth(1), { code: 'engine_error', message: 'm', retryable: false });
  await w.canceller.remove(await w.finder.find('r1', 't', 'job'));
  assert.deepEqual(w.queue.deadLetters.items, []);
  await assert.rejects(w.bodies.read('r1', claim), { code: 'body_unavailable' });
});

test('a cancelled line is not announced: only its batch waits for it', async () => {
  const w = await world();
  const line = aRun({ kind: 'batch_line' });
  await recordOnce(w.store, line, 10_000);
  await publishRun(w.queue, line, Buffer.from('x'), 10_000);
  await w.canceller.cancelLine('r1', 'somebody else');
  assert.equal(await w.statusOf('r1'), 'queued');
  await w.canceller.cancelLine('r1', 't');
  assert.equal(await w.statusOf('r1'), 'cancelled');
  assert.deepEqual([w.queue.queued, w.sent()], [[], []]);
});

test('a queued run ends with its deadline, a running one is given a while', async () => {
  const w = await world();
  const queued = await w.acceptance.accept(aRun(), work, null);
  const running = await w.acceptance.accept(aRun({ id: 'r2' }), work, null);
  await w.begin(running, nth(1), 'w1');
  w.state.now = 10_000;
  assert.equal((await w.finder.refresh(queued)).status, 'queued');
  w.state.now = 10_001;
  const ended = await w.finder.refresh(queued);
  assert.equal(ended.status, 'failed');
  assert.equal(ended.result?.status, 504);
  assert.match(ended.result?.body.toString() ?? '', /"code":"deadline_exceeded"/);
  assert.deepEqual(w.sent(), ENDED);
  const now = await w.finder.look('r2', 't', 'job');
  assert.equal(now.status, 'in_progress');
  assert.equal(dueAgain(now, w.state.now), 10_000 + RUNNING_SLACK_MS + 1);
  assert.equal(dueAgain(ended, w.state.now), null);
  w.state.now = 10_000 + RUNNING_SLACK_MS + 1;
  assert.equal(await w.expiry.end(now), true);
});

test('a worker ends what it may not begin any more, where the clock of the store agrees', async () => {
  const w = await world();
  const run = await w.acceptance.accept(aRun(), work, null);
  w.state.now = 99_000;
  w.state.storeNow = 9000;
  assert.equal(await w.begin(run, nth(1), 'w1'), 'begun');
  const other = await w.acceptance.accept(aRun({ id: 'r2' }), work, null);
  w.state.storeNow = 10_001;
  assert.equal(await w.begin(other, nth(1), 'w1'), 'gone');
  assert.equal((await w.store.read('r2'))?.result?.finishedAt, 10_001);
});

test('malformed, foreign and unknown ids and those of another kind are all not found', async () => {
  const w = await world();
  await w.acceptance.accept(aRun({ kind: 'response' }), work, null);
  assert.equal((await w.finder.find('resp_r1', 't', 'response')).id, 'r1');
  for (const id of ['r1', 'resp_', 'resp_R1', 'resp_r1:x', 'resp_r2', `resp_${'x'.repeat(49)}`])
    await assert.rejects(w.finder.find(id, 't', 'response'), { code: 'response_not_found' });
  await assert.rejects(w.finder.find('resp_r1', 'other', 'response'), { code: 'response_not_found' });
  await assert.rejects(w.finder.find('r1', 't', 'job'), { code: 'job_not_found' });
  await assert.rejects(w.finder.find('chatcmpl-r1', 't', 'completion'), { code: 'completion_not_found' });
});

/** The status under which the answer of a converted call is stored. */
async function statusOf(kind: NewRun['kind'], status: number, finishReason: string) {
  const w = await world();
  const call = new ConvertedCall(w.wires, aRun({ kind, log: kind === 'response' ? 'deltas' : 'none' }));
  await call.create({ ...nth(1), worker: 'w' }, addressOf(call.run));
  const body = Buffer.from(JSON.stringify({ choices: [{ finish_reason: finishReason }] }));
  await call.finish({ ...nth(2), worker: 'w' }, { status, contentType: 'application/json' }, body);
  assert.deepEqual(w.sent(), ENDED);
  return await w.statusOf('r1');
}

test('the answer of a converted call is stored under the status that its clients and webhooks see', async () => {
  assert.equal(await statusOf('response', 200, 'stop'), 'completed');
  assert.equal(await statusOf('response', 200, 'length'), 'incomplete');
  assert.equal(await statusOf('response', 200, 'content_filter'), 'incomplete');
  assert.equal(await statusOf('response', 400, ''), 'failed');
  assert.equal(await statusOf('job', 200, 'length'), 'completed');
  assert.equal(await statusOf('job', 400, ''), 'completed', 'a refusal is the answer');
});

test('a call that could not be converted whole leaves no record', async t => {
  const w = await world();
  t.mock.method(w.store, 'begin', () => Promise.reject(new Error('Redis refuses')));
  const call = new ConvertedCall(w.wires, aRun({ kind: 'completion' }));
  await assert.rejects(call.create({ ...nth(1), worker: 'w' }, addressOf(call.run)), /refuses/);
  assert.deepEqual([await w.listed(), await w.statusOf('r1')], [[], undefined]);
});

test('a converted call that was answered after all leaves nothing; one that fails says why', async () => {
  const w = await world();
  const call = new ConvertedCall(w.wires, aRun({ kind: 'completion' }));
  const address = { ...addressOf(call.run), shard: 3 };
  assert.equal((await call.create(null, address)).status, 'queued');
  assert.deepEqual(await w.listed(), ['r1']);
  assert.deepEqual(
    (await w.store.read('r1'))?.address,
    address,
    'where its message is, wherever it was meant to be',
  );
  await call.move({ ...address, shard: 0 });
  assert.equal((await w.store.read('r1'))?.address?.shard, 0);
  await call.withdraw();
  assert.deepEqual([await w.listed(), await w.statusOf('r1')], [[], undefined]);
  await call.create(null, address);
  await call.fail({ ...nth(1), worker: '' }, new DispatchError('broker_unavailable'));
  assert.equal(await w.statusOf('r1'), 'failed');
  assert.match((await w.store.read('r1'))?.result?.body.toString() ?? '', /broker_unavailable/);
});

test('an answer is kept as if a worker had stored it; where that fails, the answer does not', async () => {
  const w = await world();
  const about = { id: 'r1', kind: 'completion', detail: '{}', tenant: 't', model: 'm', slug: 'm' } as const;
  const answer = { ...about, createdAt: 1, status: 'completed', completion: { a: 1 }, logged: null } as const;
  w.state.now = 7;
  await new AnswerKeeper(w.wires).keep(answer);
  const kept = await w.finder.find('chatcmpl-r1', 't', 'completion');
  assert.deepEqual(
    [kept.status, kept.result?.body.toString(), kept.result?.finishedAt],
    ['completed', '{"a":1}', 7],
  );
  assert.deepEqual(await w.listed(), ['r1']);
  w.store.keep = () => Promise.reject(new Error('no connection'));
  await new AnswerKeeper(w.wires).keep(answer);
});

test('a failed run is queued again with as much time as at first, above its earlier attempts', async () => {
  const w = await world();
  const run = await w.acceptance.accept(aRun(), work, null);
  await w.begin(run, nth(4), 'w1');
  await w.attempts.fail(run, nth(4), { code: 'engine_error', message: 'm', retryable: false });
  // As the worker's last settlement of it does.
  w.queue.purge(addressOf(run));
  const failed = await w.finder.find('r1', 't', 'job');
  assert.ok(canReopen(failed.status));
  assert.ok(!canReopen('completed') && !canReopen('cancelled') && !canReopen('in_progress'));
  const message = decodeEnvelope(w.queue.published.items[0]?.data ?? Buffer.alloc(0));
  assert.equal(await reopen(w.wires, failed, message, 'r1-5', 50_000), true);
  assert.equal(await w.statusOf('r1'), 'queued');
  const again = w.queue.published.items[1];
  assert.equal(again?.messageId, 'r1-5');
  const { attemptBase, deadlineAt } = decodeEnvelope(again?.data ?? Buffer.alloc(0)).meta;
  assert.deepEqual([attemptBase, deadlineAt], [4, 110_000], 'a minute at least');
});

const LARGE = { ...work, body: Buffer.alloc(101, 'x') };

async function keptBodies({ bodies }: Awaited<ReturnType<typeof world>>): Promise<string[]> {
  const kept: string[] = [];
  for await (const { id } of bodies.list()) kept.push(id);
  return kept;
}

test('a large body is kept beside the queue until its run is cancelled or expires', async () => {
  const w = await world();
  for (const id of ['r1', 'r2']) {
    const run = await w.acceptance.accept(aRun({ id, hasClaim: true }), LARGE, null);
    const { meta, body } = decodeEnvelope(w.queue.published.items.at(-1)?.data ?? Buffer.alloc(0));
    assert.deepEqual([meta.claim?.bytes, body.length, run.hasClaim], [101, 0, true]);
  }
  assert.deepEqual(await keptBodies(w), ['r1', 'r2']);
  const [first, second] = [await w.store.read('r1'), await w.store.read('r2')];
  if (first === null || second === null) return assert.fail('not recorded');
  await w.canceller.cancel(first);
  assert.deepEqual(await keptBodies(w), ['r2']);
  w.state.now = 10_001;
  assert.equal((await w.expiry.look(second))?.status, 'failed');
  assert.deepEqual(await keptBodies(w), []);
});

test('a large body whose message is refused does not stay, and without its store nothing is accepted', async () => {
  const w = await world();
  await w.queue.ensureWorkStream('local', 0, { ...LIMITS, maxMessages: 0 });
  await assert.rejects(w.acceptance.accept(aRun({ hasClaim: true }), LARGE, null), { code: 'queue_full' });
  assert.deepEqual(await keptBodies(w), []);
  await w.queue.ensureWorkStream('local', 0, LIMITS);
  w.bodies.put = async () => assert.fail('the disk is full');
  await assert.rejects(w.acceptance.accept(aRun({ hasClaim: true }), LARGE, null), {
    code: 'storage_unavailable',
  });
  assert.equal(await w.statusOf('r1'), undefined);
});

test('the end of an answered run is announced with what its engine counted of the prompt', async () => {
  const w = await world();
  const counted = '"usage":{"prompt_tokens":7,"completion_tokens":1}}';
  const answers: [id: string, body: string, log: string | null][] = [
    ['plain', `{"choices":[],${counted}`, null],
    ['events', '', `data: {"choices":[],${counted}\n\ndata: [DONE]\n\n`],
    ['silent', '{"choices":[]}', null],
  ];
  for (const [id, body, log] of answers) {
    await w.acceptance.accept(aRun({ id }), work, null);
    await w.begin(aRun({ id }), nth(1), 'w');
    const result = { status: 200, contentType: 'x', body: Buffer.from(body), finishedAt: 0 };
    const last = log === null ? null : { entry: Buffer.from(log), at: 0 };
    await w.attempts.finish(id, nth(1), { status: 'completed', result, log: 'none', last });
  }
  assert.deepEqual(w.sent(), ['run_ended plain 7', 'run_ended events 7', 'run_ended silent']);
  const heard: [string, number | null][] = [];
  const channel = new DoneChannel(w.queue, 'local');
  const dropped = new DroppedMessages();
  channel.listen((id, promptTokens) => heard.push([id, promptTokens]), dropped);
  w.queue.send({ kind: 'run_ended', region: 'local' }, Buffer.from('no id, but a text'));
  channel.announce('r1');
  channel.announce('r2', 12);
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(heard, [
    ['r1', null],
    ['r2', 12],
  ]);
  assert.equal(dropped.of('announcement'), 1);
});
