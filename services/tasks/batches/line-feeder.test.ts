import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BatchRecord,
  DispatchError,
  type QueueAddress,
  type RunStatus,
  sharedAddress,
  subjectOf,
} from '@penstock/protocol';
import { DoneChannel, LostRunFinder, RunCanceller } from '@penstock/runs';
import { ClaimCheck, type RunStore, type TaskRecords, type WorkQueue } from '@penstock/transport';
import { MemoryRequestBodies } from '@penstock/transport/memory';
import { FeedRoom } from './feed-room.ts';
import { LineFeeder } from './line-feeder.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'batch', size: 'any' } as const;

/** A feeder of one batch, whose queued lines the test answers. */
function world(count: number, window: number) {
  /** Lines that the limits of the project let through. */
  const allowed = { lines: Number.POSITIVE_INFINITY, asked: [] as string[] };
  const runs = new Map<string, { status: RunStatus; code: number }>();
  const published: string[] = [];
  /** Message ids. */
  const messages: string[] = [];
  /** Lines that are in no queue. */
  const gone = new Set<string>();
  const purged: string[] = [];
  const state = { status: 'in_progress', mostOpen: 0, full: false, completed: 0, laterMs: 0, looks: 0 };
  const isOpen = ({ status }: { status: RunStatus }) => status === 'queued' || status === 'in_progress';
  const open = () => [...runs.values()].filter(isOpen).length;
  const lines = async function* () {
    for (let i = 1; i <= count; i++) {
      const body = { model: 'm', messages: [{ role: 'user', content: `${i}` }] };
      const line = { custom_id: `${i}`, method: 'POST', url: '/v1/chat/completions', body };
      yield { number: i, text: Buffer.from(JSON.stringify(line)) };
    }
  };
  const runStore = {
    progress: async (ids: readonly string[]) => ids.map(id => runs.get(id) ?? null),
    create: async ({ id }: { id: string }) => {
      if (runs.has(id)) return { kind: 'repeated', id };
      runs.set(id, { status: 'queued', code: 0 });
      return { kind: 'created', id };
    },
    read: async (id: string) => ({
      status: runs.get(id)?.status,
      address: sharedAddress(KEY, id),
      ...{ worker: null, kind: 'batch_line', detail: '' },
      attempt: 0,
    }),
    requeue: async (id: string) => {
      runs.set(id, { status: 'queued', code: 0 });
      return true;
    },
    cancel: async ({ id }: { id: string }) => {
      const run = runs.get(id);
      if (run !== undefined && isOpen(run)) runs.set(id, { status: 'cancelled', code: 0 });
    },
  } as unknown as RunStore;
  const queue = {
    publish: async (address: QueueAddress, _data: Uint8Array, { messageId }: { messageId: string }) => {
      if (state.full) throw new DispatchError('queue_full');
      published.push(subjectOf(address));
      messages.push(messageId);
      gone.delete(address.id);
      state.mostOpen = Math.max(state.mostOpen, open());
    },
    purge: ({ id }: QueueAddress) => purged.push(id),
    holds: async (_region: string, _shards: number, id: string) => !gone.has(id),
  } as unknown as WorkQueue;
  const records = {
    batch: async () => {
      state.looks++;
      return { status: state.status };
    },
    updateBatch: async (_id: string, change: { completed?: number }) => {
      state.completed = change.completed ?? state.completed;
      return true;
    },
  } as unknown as TaskRecords;
  const batch = { id: 'batch_a', tenant: 't', expiresAt: 1e6, completed: 0, failed: 0 } as BatchRecord;
  const clock = { now: () => 1000, monotonic: () => performance.now() + state.laterMs };
  const done = new DoneChannel(queue, 'local');
  const ttl = { recordMs: 1, logMs: 1 };
  const claims = new ClaimCheck(new MemoryRequestBodies(clock), 1000);
  const canceller = new RunCanceller({ store: runStore, queue, claims, done, region: 'local', ttl, clock });
  const wires = {
    finder: new LostRunFinder({ runs: runStore, queue, region: 'local', shards: 1, clock }),
    records,
    runs: runStore,
    canceller,
    queue,
    claims,
    clock,
    region: 'local',
    estimator: { estimate: () => 1 },
    shardFor: () => 0,
    queueFor: () => null,
    served: <T>(line: T) => line,
    limits: {
      isLimited: async () => Number.isFinite(allowed.lines),
      enter: async (_project: string, id: string) => {
        allowed.asked.push(id);
        return allowed.lines-- > 0 ? 0 : 10;
      },
    },
  };
  const room = new FeedRoom(window);
  const feeder = new LineFeeder({
    batch,
    endpoint: 'chat',
    lines,
    room,
    tracing: null,
    ...wires,
  });
  const answer = (id: string, code = 200) => {
    runs.set(id, { status: 'completed', code });
    feeder.heard(id);
  };
  return { runs, published, messages, gone, purged, state, room, feeder, answer, open, allowed };
}

/** Answers whatever was put on the queue until the feeder is done. */
async function answerAll({ runs, published, answer }: ReturnType<typeof world>, fed: Promise<string>) {
  let end: string | null = null;
  void fed.then(how => {
    end = how;
  });
  while (end === null) {
    for (const subject of published) {
      const id = subject.slice(subject.lastIndexOf('.') + 1);
      if (runs.get(id)?.status === 'queued') answer(id);
    }
    await new Promise(resolve => setImmediate(resolve));
  }
  return end;
}

test('no more than the window is open at once, and each line is queued once', async () => {
  const w = world(500, 50);
  assert.equal(await answerAll(w, w.feeder.feed()), 'answered');
  assert.equal(w.published.length, 500);
  assert.equal(new Set(w.published).size, 500);
  assert.ok(w.state.mostOpen <= 50, `${w.state.mostOpen} open`);
});

test('lines that an earlier process had answered are not queued again; those it had queued only once more', async () => {
  const w = world(100, 50);
  for (let i = 1; i <= 40; i++) w.runs.set(`batch_a-${i}`, { status: 'completed', code: 200 });
  for (let i = 41; i <= 45; i++) w.runs.set(`batch_a-${i}`, { status: 'in_progress', code: 0 });
  for (let i = 46; i <= 50; i++) w.runs.set(`batch_a-${i}`, { status: 'queued', code: 0 });
  const fed = w.feeder.feed();
  for (let i = 41; i <= 45; i++) setTimeout(() => w.answer(`batch_a-${i}`), 50);
  assert.equal(await answerAll(w, fed), 'answered');
  const queued = w.published.map(subject => Number(subject.split('-').at(-1))).sort((a, b) => a - b);
  assert.equal(queued[0], 46);
  assert.equal(queued.length, 55);
});

test('a full queue is waited for, and a cancel ends the waiting', async () => {
  const w = world(100, 50);
  w.state.full = true;
  const fed = w.feeder.feed();
  setTimeout(() => {
    w.state.status = 'cancelling';
  }, 100);
  assert.equal(await fed, 'cancelled');
  assert.equal(w.published.length, 0);
  assert.equal(w.open(), 0);
  assert.equal(w.purged.length, 50, 'each that had a record');
});

test('a lost record is created and queued again', async () => {
  const w = world(10, 10);
  const fed = w.feeder.feed();
  while (w.published.length < 10) await new Promise(resolve => setImmediate(resolve));
  w.runs.delete('batch_a-3');
  for (const id of [...w.runs.keys()]) w.answer(id);
  w.feeder.heard('batch_a-3');
  assert.equal(await answerAll(w, fed), 'answered');
  assert.equal(w.published.filter(subject => subject.endsWith('-3')).length, 2);
  assert.equal(w.published.length, 11);
});

test('open lines are queued again when no line ends any more, at growing intervals', async () => {
  const w = world(200, 64);
  const fed = w.feeder.feed();
  const queued = (times: number) => async () => {
    while (w.published.length < times * 64) await new Promise(resolve => setTimeout(resolve, 5));
  };
  await queued(1)();
  w.state.laterMs += 61_000;
  await queued(2)();
  const lines = () => new Set(w.published.map(subject => subject.slice(subject.lastIndexOf('.') + 1))).size;
  assert.equal(lines(), 64, 'the same lines');
  w.state.laterMs += 61_000;
  const { looks } = w.state;
  while (w.state.looks < looks + 2) await new Promise(resolve => setTimeout(resolve, 5));
  assert.equal(w.published.length, 128, 'it looked around and did nothing');
  w.state.laterMs += 61_000;
  await queued(3)();
  assert.equal(await answerAll(w, fed), 'answered');
  assert.equal(lines(), 200);
  assert.equal(w.published.length, 200 + 2 * 64);
});

test('a line that nobody has any more is queued again, while others go on', async () => {
  const w = world(3, 2);
  const fed = w.feeder.feed();
  await new Promise(resolve => setTimeout(resolve, 20));
  assert.equal(w.published.length, 2);
  // A promoted replica of the store has forgotten that it was answered.
  w.runs.set('batch_a-1', { status: 'in_progress', code: 0 });
  w.gone.add('batch_a-1');
  w.answer('batch_a-2');
  // Line 3 is queued in its place, and it itself in the next pass.
  for (let i = 0; i < 50 && w.messages.length < 4; i++) {
    w.state.laterMs += 3000;
    await new Promise(resolve => setTimeout(resolve, 100));
    if (w.messages.length === 3) w.answer('batch_a-3');
  }
  assert.equal(await answerAll(w, fed), 'answered');
  const again = w.messages.filter(id => id.startsWith('batch_a-1'));
  assert.deepEqual(again, ['batch_a-1', 'batch_a-1-1000'], 'the broker remembers the first one');
});

test('a batch that another process finished is not changed', async () => {
  const w = world(10, 10);
  const fed = w.feeder.feed();
  w.state.status = 'completed';
  assert.equal(await fed, 'over');
  assert.equal(w.purged.length, 0);
});

test('while the queue is full a batch holds no turn, and goes on once there is room', async () => {
  const it = world(3, 3);
  it.state.full = true;
  const fed = it.feeder.feed();
  while (it.runs.size === 0) await new Promise(resolve => setTimeout(resolve, 5));
  // As many as have turns: none of them waits for a feeder that was refused.
  await Promise.all(Array.from({ length: 4 }, () => it.room.turns.take(async () => {})));
  assert.deepEqual([it.published, it.feeder.open], [[], 0]);
  it.state.full = false;
  assert.equal(await answerAll(it, fed), 'answered');
  assert.equal(new Set(it.published).size, 3);
});

test('lines that the limits of their project hold up wait, in no queue and without a record', async () => {
  const batch = world(20, 64);
  const { feeder, allowed, runs } = batch;
  allowed.lines = 5;
  const fed = feeder.feed();
  while (allowed.asked.length < 20) await new Promise(resolve => setTimeout(resolve, 1));
  assert.equal(runs.size, 5);
  allowed.lines = 1000;
  assert.equal(await answerAll(batch, fed), 'answered');
  assert.equal(runs.size, 20);
  assert.equal(new Set(batch.published).size, 20);
});
