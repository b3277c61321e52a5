import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DispatchError,
  decodeEnvelope,
  isFinalStatus,
  type NewRun,
  type QueueAddress,
  type StoredRun,
  subjectOf,
} from '@penstock/protocol';
import type { Idempotency, RunEnd, RunStore, WorkQueue } from '@penstock/transport';
import {
  AnswerKeeper,
  addressOf,
  ConvertedCall,
  canReopen,
  DoneChannel,
  dueAgain,
  endedBy,
  newRun,
  publishRun,
  type QueuedRun,
  RECORD_SLACK_MS,
  RUNNING_SLACK_MS,
  RunAcceptance,
  RunAttempts,
  RunCanceller,
  RunExpiry,
  RunFinder,
  type RunRequest,
  recordOnce,
  reopen,
} from './index.ts';

const ttl = { recordMs: 1000, logMs: 100 };
const queueKey = { region: 'local', shard: 0, slug: 'm', lane: 'background', size: 'any' } as const;
const work = {
  ...({ from: 'in-1', lane: 'background', size: 'any', stream: false } as const),
  ...{ promptTokens: 5, maxTokens: null, fleetRate: 0, body: Buffer.from('{}') },
};

function aRun(change: Partial<RunRequest> = {}): QueuedRun {
  const about = { id: 'r1', kind: 'job', detail: '', log: 'none', tenant: 't', endpoint: 'chat' } as const;
  return newRun({ ...about, model: 'm', queue: queueKey, createdAt: 0, deadlineAt: 10_000, ...change });
}

/** The store's transitions in a map, without lives of records. */
function memoryStore() {
  const runs = new Map<string, StoredRun & { failures: number }>();
  const keys = new Map<string, Idempotency & { id: string }>();
  const lives = new Map<string, number>();
  const listed: string[] = [];
  const change = (id: string, to: Partial<StoredRun> & { failures?: number }) => {
    const run = runs.get(id);
    if (run !== undefined) runs.set(id, { ...run, ...to });
  };
  const isOpen = (id: string) => runs.has(id) && !isFinalStatus(runs.get(id)?.status ?? 'failed');
  const isCurrent = (id: string, attempt: number) => isOpen(id) && runs.get(id)?.attempt === attempt;
  const store = {
    create: async (run: NewRun, lifeMs: number, idempotency: Idempotency | null) => {
      if (runs.has(run.id)) return { kind: 'repeated', id: run.id };
      const known = idempotency === null ? undefined : keys.get(idempotency.key);
      if (known !== undefined)
        return known.digest === idempotency?.digest ? { kind: 'repeated', id: known.id } : { kind: 'reused' };
      if (idempotency !== null) keys.set(idempotency.key, { ...idempotency, id: run.id });
      const made = { worker: null, attempt: 0, logLength: 0, result: null, failures: 0 };
      runs.set(run.id, { ...run, ...made, status: 'queued' });
      lives.set(run.id, lifeMs);
      return { kind: 'created', id: run.id };
    },
    withdraw: async (id: string, key: string | null) => {
      if (runs.get(id)?.status !== 'queued' || runs.get(id)?.attempt !== 0) return false;
      runs.delete(id);
      keys.delete(key ?? '');
      return true;
    },
    begin: async (id: string, attempt: number, worker: string) => {
      if (!isOpen(id)) return 'gone';
      if ((runs.get(id)?.attempt ?? 0) >= attempt) return 'fenced';
      change(id, { status: 'in_progress', attempt, worker });
      return 'begun';
    },
    finish: async (id: string, attempt: number, { status, result }: RunEnd) => {
      if (!isCurrent(id, attempt)) return false;
      change(id, { status, result });
      return true;
    },
    fail: async (id: string, attempt: number, { result }: RunEnd, most: number) => {
      if (!isCurrent(id, attempt)) return 'fenced';
      const failures = (runs.get(id)?.failures ?? 0) + 1;
      change(id, failures < most ? { status: 'queued', failures } : { status: 'failed', result });
      return failures < most ? 'again' : 'final';
    },
    cancel: async ({ id, tenant }: StoredRun) => {
      if (runs.get(id)?.tenant !== tenant) return false;
      if (isOpen(id)) change(id, { status: 'cancelled' });
      return true;
    },
    expire: async ({ id }: StoredRun, result: RunEnd['result'], slackMs: number) => {
      const run = runs.get(id);
      if (run === undefined || !isOpen(id)) return false;
      if (result.finishedAt <= run.deadlineAt + (run.status === 'queued' ? 0 : slackMs)) return false;
      change(id, { status: 'failed', result });
      return true;
    },
    reopen: async (id: string, deadlineAt: number) => {
      change(id, { status: 'queued', deadlineAt, result: null });
      return runs.has(id);
    },
    keep: async (run: NewRun, { status, result }: RunEnd) => {
      runs.set(run.id, { ...run, status, result, worker: null, attempt: 1, logLength: 0, failures: 0 });
    },
    read: async (id: string) => runs.get(id) ?? null,
    remove: async (id: string) => runs.delete(id),
    completions: {
      add: async (_tenant: string, id: string) => listed.push(id),
      remove: async (_tenant: string, id: string) => listed.splice(listed.indexOf(id), 1),
    },
    time: async () => clock.storeNow,
  };
  const clock = { storeNow: 0 };
  return { store: store as unknown as RunStore, runs, lives, listed, clock };
}

function world() {
  const memory = memoryStore();
  const { store } = memory;
  const published: { address: QueueAddress; messageId: string; ttlMs: number; data: Uint8Array }[] = [];
  const sent: string[] = [];
  const state = { now: 0, refuses: false };
  const clock = { now: () => state.now, monotonic: () => state.now };
  const queue = {
    publish: async (
      address: QueueAddress,
      data: Uint8Array,
      options: { messageId: string; ttlMs: number },
    ) => {
      if (state.refuses) throw new DispatchError('queue_full');
      published.push({ address, data, ...options });
    },
    purge: (address: QueueAddress) => sent.push(`purge ${subjectOf(address)}`),
    send: (subject: string, data: Uint8Array) => sent.push(`${subject} ${Buffer.from(data).toString()}`),
  } as unknown as WorkQueue;
  const done = new DoneChannel(queue, 'local');
  const wires = { store, queue, done, ttl, clock };
  const expiry = new RunExpiry(wires);
  const finder = new RunFinder(store, expiry);
  return {
    ...{ ...memory, published, sent, state, wires, expiry, finder },
    acceptance: new RunAcceptance({ ...wires, finder }),
    attempts: new RunAttempts({ ...wires, expiry }),
    canceller: new RunCanceller(wires),
  };
}

const key = { key: 'k', digest: 'd' };

test('a run is recorded, then queued, and its record outlives its time in the queue', async () => {
  const w = world();
  const run = await w.acceptance.accept(aRun(), work, null);
  assert.equal(run.status, 'queued');
  assert.equal(w.lives.get('r1'), 10_000 + RECORD_SLACK_MS);
  const [message] = w.published;
  assert.equal(message?.messageId, 'r1');
  assert.equal(message?.ttlMs, 10_000);
  const { meta, body } = decodeEnvelope(message?.data ?? Buffer.alloc(0));
  assert.equal(meta.stored, true);
  assert.equal(meta.log, 'none');
  assert.deepEqual([meta.acceptedAt, meta.deadlineAt, meta.slug, meta.lane], [0, 10_000, 'm', 'background']);
  assert.equal(body.toString(), '{}');
});

test('a key leads to the run that it made, which is queued again while nobody has begun it', async () => {
  const w = world();
  await w.acceptance.accept(aRun(), work, key);
  const again = await w.acceptance.accept(aRun({ id: 'r2' }), work, key);
  assert.equal(again.id, 'r1');
  assert.deepEqual(
    w.published.map(({ messageId }) => messageId),
    ['r1', 'r1'],
  );
  await w.attempts.begin(again, 1, 'w1');
  assert.equal((await w.acceptance.accept(aRun({ id: 'r3' }), work, key)).status, 'in_progress');
  assert.equal(w.published.length, 2);
  await assert.rejects(w.acceptance.accept(aRun({ id: 'r4' }), work, { key: 'k', digest: 'e' }), {
    code: 'idempotency_key_reused',
  });
});

test('what the queue refuses is not recorded, unless a worker has it after all', async () => {
  const w = world();
  w.state.refuses = true;
  await assert.rejects(w.acceptance.accept(aRun(), work, key), { code: 'queue_full' });
  assert.equal(w.runs.size, 0);
  const { publish } = w.wires.queue;
  w.wires.queue.publish = async (...args) => {
    await w.attempts.begin(aRun(), 1, 'w1');
    return publish(...args);
  };
  assert.equal((await w.acceptance.accept(aRun(), work, key)).id, 'r1');
  assert.equal(w.runs.get('r1')?.status, 'in_progress');
});

test('a line that another process recorded first is queued where that one did', async () => {
  const w = world();
  const first = aRun({ kind: 'batch_line' });
  await recordOnce(w.store, first, 10_000);
  const other = aRun({ kind: 'batch_line', queue: { ...queueKey, shard: 1 } });
  const recorded = await recordOnce(w.store, other, 10_000);
  assert.deepEqual(recorded.address, first.address);
  await publishRun(w.wires.queue, recorded, Buffer.from('x'), 10_000);
  assert.deepEqual(w.published[0]?.address, first.address);
});

test('stored chat completions are listed from the beginning, other runs never', async () => {
  const w = world();
  await w.acceptance.accept(aRun(), work, null);
  await w.acceptance.accept(aRun({ id: 'r2', kind: 'completion' }), work, null);
  assert.deepEqual(w.listed, ['r2']);
});

test('only the current attempt ends a run, and who ends it says so', async () => {
  const w = world();
  const run = await w.acceptance.accept(aRun(), work, null);
  const end = endedBy('none', { status: 200, contentType: 'application/json' }, Buffer.from('{}'), 5);
  assert.equal(await w.attempts.begin(run, 1, 'w1'), 'begun');
  assert.equal(await w.attempts.begin(run, 2, 'w2'), 'begun');
  assert.equal(await w.attempts.begin(run, 1, 'w1'), 'fenced');
  assert.equal(await w.attempts.finish('r1', 1, end), false);
  assert.deepEqual(w.sent, []);
  assert.equal(await w.attempts.finish('r1', 2, end), true);
  assert.deepEqual(w.sent, ['done.local r1']);
  assert.equal(await w.attempts.begin(run, 3, 'w3'), 'gone');
});

test('a failed run is tried again with a growing pause, three times at most, and not at all where it cannot help', async () => {
  const w = world();
  const run = await w.acceptance.accept(aRun(), work, null);
  const failure = { code: 'engine_timeout', message: 'm', retryable: true };
  await w.attempts.begin(run, 1, 'w1');
  const first = await w.attempts.fail(run, 1, failure);
  await w.attempts.begin(run, 2, 'w1');
  const second = await w.attempts.fail(run, 2, failure);
  assert.deepEqual([first.kind, second.kind], ['again', 'again']);
  assert.ok(first.kind === 'again' && second.kind === 'again' && second.delayMs > first.delayMs);
  await w.attempts.begin(run, 3, 'w1');
  assert.deepEqual(await w.attempts.fail(run, 3, failure), { kind: 'final', code: 'engine_timeout' });
  assert.deepEqual(w.sent, ['done.local r1']);
  assert.deepEqual(await w.attempts.fail(run, 3, failure), { kind: 'fenced' });

  const other = await w.acceptance.accept(aRun({ id: 'r2' }), work, null);
  await w.attempts.begin(other, 1, 'w1');
  const outcome = await w.attempts.fail(other, 1, {
    code: 'of a newer version',
    message: 'm',
    retryable: false,
  });
  assert.deepEqual(outcome, { kind: 'final', code: 'engine_error' });
  assert.equal(w.runs.get('r2')?.result?.status, 502);
});

test('a cancel empties the queue, stops the engine and is announced; a final run stays as it is', async () => {
  const w = world();
  const queued = await w.acceptance.accept(aRun(), work, null);
  // Begun after the record was read.
  await w.attempts.begin(queued, 1, 'w1');
  assert.equal((await w.canceller.cancel(queued)).status, 'cancelled');
  assert.deepEqual(w.sent.splice(0), [
    `purge ${subjectOf(addressOf(queued))}`,
    'ctl.worker.w1 {"cancel":"r1","attempt":1}',
    'done.local r1',
  ]);
  await w.canceller.cancel(await w.finder.find('r1', 't', 'job'));
  assert.deepEqual(w.sent, []);
  await w.canceller.remove(queued);
  await assert.rejects(w.finder.find('r1', 't', 'job'), { code: 'job_not_found' });
});

test('a cancelled line is not announced: only its batch waits for it', async () => {
  const w = world();
  const line = aRun({ kind: 'batch_line' });
  await recordOnce(w.store, line, 10_000);
  await w.canceller.cancelLine('r1', 'somebody else');
  assert.equal(w.runs.get('r1')?.status, 'queued');
  await w.canceller.cancelLine('r1', 't');
  assert.equal(w.runs.get('r1')?.status, 'cancelled');
  assert.deepEqual(w.sent, [`purge ${subjectOf(line.address)}`]);
});

test('a queued run ends with its deadline, a running one is given a while', async () => {
  const w = world();
  const queued = await w.acceptance.accept(aRun(), work, null);
  const running = await w.acceptance.accept(aRun({ id: 'r2' }), work, null);
  await w.attempts.begin(running, 1, 'w1');
  w.state.now = 10_000;
  assert.equal((await w.finder.refresh(queued)).status, 'queued');
  w.state.now = 10_001;
  const ended = await w.finder.refresh(queued);
  assert.equal(ended.status, 'failed');
  assert.equal(ended.result?.status, 504);
  assert.match(ended.result?.body.toString() ?? '', /"code":"deadline_exceeded"/);
  assert.deepEqual(w.sent, ['done.local r1']);
  const now = await w.finder.look('r2', 't', 'job');
  assert.equal(now.status, 'in_progress');
  assert.equal(dueAgain(now, w.state.now), 10_000 + RUNNING_SLACK_MS + 1);
  assert.equal(dueAgain(ended, w.state.now), null);
  w.state.now = 10_000 + RUNNING_SLACK_MS + 1;
  assert.equal(await w.expiry.end(now), true);
});

test('a worker ends what it may not begin any more, where the clock of the store agrees', async () => {
  const w = world();
  const run = await w.acceptance.accept(aRun(), work, null);
  w.state.now = 99_000;
  w.clock.storeNow = 9000;
  assert.equal(await w.attempts.begin(run, 1, 'w1'), 'begun');
  const other = await w.acceptance.accept(aRun({ id: 'r2' }), work, null);
  w.clock.storeNow = 10_001;
  assert.equal(await w.attempts.begin(other, 1, 'w1'), 'gone');
  assert.equal(w.runs.get('r2')?.result?.finishedAt, 10_001);
});

test('malformed, foreign and unknown ids and those of another kind are all not found', async () => {
  const w = world();
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
  const w = world();
  const call = new ConvertedCall(w.wires, aRun({ kind, log: kind === 'response' ? 'deltas' : 'none' }));
  await call.create(1, 'w');
  const body = Buffer.from(JSON.stringify({ choices: [{ finish_reason: finishReason }] }));
  await call.finish(2, 'w', { status, contentType: 'application/json' }, body);
  assert.deepEqual(w.sent, ['done.local r1']);
  return w.runs.get('r1')?.status;
}

test('the answer of a converted call is stored under the status that its clients and webhooks see', async () => {
  assert.equal(await statusOf('response', 200, 'stop'), 'completed');
  assert.equal(await statusOf('response', 200, 'length'), 'incomplete');
  assert.equal(await statusOf('response', 200, 'content_filter'), 'incomplete');
  assert.equal(await statusOf('response', 400, ''), 'failed');
  assert.equal(await statusOf('job', 200, 'length'), 'completed');
  assert.equal(await statusOf('job', 400, ''), 'completed', 'a refusal is the answer');
});

test('a converted call that was answered after all leaves nothing; one that fails says why', async () => {
  const w = world();
  const call = new ConvertedCall(w.wires, aRun({ kind: 'completion' }));
  await call.create(0, null);
  assert.deepEqual(w.listed, ['r1']);
  assert.equal((await call.read())?.status, 'queued');
  await call.withdraw();
  assert.deepEqual([w.listed.length, w.runs.size], [0, 0]);
  await call.create(0, null);
  await call.fail(1, '', new DispatchError('broker_unavailable'));
  assert.equal(w.runs.get('r1')?.status, 'failed');
  assert.match(w.runs.get('r1')?.result?.body.toString() ?? '', /broker_unavailable/);
});

test('an answer is kept as if a worker had stored it; where that fails, the answer does not', async () => {
  const w = world();
  const about = { id: 'r1', kind: 'completion', detail: '{}', tenant: 't', model: 'm', slug: 'm' } as const;
  const answer = { ...about, createdAt: 1, status: 'completed', completion: { a: 1 }, logged: null } as const;
  w.state.now = 7;
  await new AnswerKeeper(w.wires).keep(answer);
  const kept = await w.finder.find('chatcmpl-r1', 't', 'completion');
  assert.deepEqual(
    [kept.status, kept.result?.body.toString(), kept.result?.finishedAt],
    ['completed', '{"a":1}', 7],
  );
  assert.deepEqual(w.listed, ['r1']);
  w.store.keep = () => Promise.reject(new Error('no connection'));
  await new AnswerKeeper(w.wires).keep(answer);
});

test('a failed run is queued again with as much time as at first, above its earlier attempts', async () => {
  const w = world();
  const run = await w.acceptance.accept(aRun(), work, null);
  await w.attempts.begin(run, 4, 'w1');
  await w.attempts.fail(run, 4, { code: 'engine_error', message: 'm', retryable: false });
  const failed = await w.finder.find('r1', 't', 'job');
  assert.ok(canReopen(failed.status));
  assert.ok(!canReopen('completed') && !canReopen('cancelled') && !canReopen('in_progress'));
  const message = decodeEnvelope(w.published[0]?.data ?? Buffer.alloc(0));
  assert.equal(await reopen(w.wires, failed, message, 'r1-5', 50_000), true);
  assert.equal(w.runs.get('r1')?.status, 'queued');
  const again = w.published[1];
  assert.equal(again?.messageId, 'r1-5');
  const { attemptBase, deadlineAt } = decodeEnvelope(again?.data ?? Buffer.alloc(0)).meta;
  assert.deepEqual([attemptBase, deadlineAt], [4, 110_000], 'a minute at least');
});
