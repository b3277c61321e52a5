import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeOps, type LogOp, type RunLogKind, type WorkEnvelope } from '@penstock/protocol';
import { newRun } from '@penstock/runs';
import { nth } from '@penstock/transport/contracts';
import { MemoryRunLog, MemoryRunStore } from '@penstock/transport/memory';
import { readResumeState } from './resume-state.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'background', size: 'any' } as const;
const chunk = (content: string) =>
  `data: {"id":"c1","created":7,"choices":[{"delta":{"content":"${content}"}}]}\n\n`;

/** What a second attempt finds after the first logged these entries. */
async function resume(
  kind: RunLogKind,
  entries: readonly (Buffer | string)[],
  { wasRead = false, request = {} as object, goesOn = true } = {},
) {
  const store = new MemoryRunStore({ now: () => 0 });
  const log = new MemoryRunLog(store);
  const about = {
    id: 'r1',
    kind: 'response',
    detail: '',
    tenant: 't',
    endpoint: 'chat',
    model: 'm',
  } as const;
  await store.create(newRun({ ...about, log: kind, queue: KEY, createdAt: 0, deadlineAt: 1 }), 1000, null);
  await store.begin('r1', nth(1), 'w-1');
  for (const [at, entry] of entries.entries()) await log.append('r1', nth(1), at, Buffer.from(entry));
  if (wasRead) await log.slice('r1', 0, 1);
  await store.begin('r1', nth(2), 'w-2');
  const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 10, ...request };
  const work = { meta: { id: 'r1', endpoint: 'chat' }, body: Buffer.from(JSON.stringify(body)) };
  const found = await readResumeState(log, work as WorkEnvelope, kind, nth(2), async () => work.body, {
    canContinue: async () => goesOn,
    countTokens: async () => 7,
  });
  const asked =
    found.continuation === null ? null : JSON.parse(found.continuation.bodyFrom(work.body).toString());
  return { ...found, asked, left: (await log.peek('r1', 0, 9999)).length };
}

test('an empty log leaves nothing to resume', async () => {
  const { resumeState, continuation } = await resume('deltas', []);
  assert.deepEqual([resumeState, continuation], [null, null]);
});

test('plain text is continued where it stopped', async () => {
  const ops: LogOp[] = [
    ['t', 'One', 1],
    ['t', ' two', 2],
  ];
  const { resumeState, asked } = await resume(
    'deltas',
    ops.map(op => encodeOps([op])),
  );
  assert.deepEqual(resumeState, { entries: 2, ops, replays: false });
  assert.deepEqual(asked.messages.at(-1), { role: 'assistant', content: 'One two' });
  assert.equal(asked.max_tokens, 3, 'less what the tokenizer counted');
});

test('where the engine cannot go on, plain text is begun again, or repeated once it was read', async () => {
  const ops: LogOp[] = [['t', 'One', 1]];
  const unread = await resume('deltas', [encodeOps(ops)], { goesOn: false });
  assert.deepEqual([unread.resumeState, unread.continuation, unread.left], [null, null, 0]);
  const read = await resume('deltas', [encodeOps(ops)], { goesOn: false, wasRead: true });
  assert.deepEqual([read.resumeState, read.continuation], [{ entries: 1, ops, replays: true }, null]);
});

test('a log of more entries than are read at once is read whole', async () => {
  const { resumeState } = await resume('deltas', Array(1001).fill(encodeOps([['t', 'x', 1]])));
  assert.equal(resumeState?.entries, 1001);
});

test('raw events are continued under their id and time', async () => {
  const { asked, continuation, resumeState } = await resume('events', [chunk('One'), chunk(' two')]);
  assert.equal(asked.messages.at(-1).content, 'One two');
  assert.equal(resumeState?.entries, 2);
  const next = 'data: {"id":"c2","created":9,"choices":[{"delta":{"content":"!"}}]}\n\n';
  assert.equal(continuation?.rewrite(Buffer.from(next)).toString(), chunk('!').replace('One', '!'));
});

test('what is not plain text starts over, with an empty log while nobody has read it', async () => {
  const { resumeState, continuation, left } = await resume('deltas', [encodeOps([['r', 'Hm']])]);
  assert.deepEqual([resumeState, continuation, left], [null, null, 0]);
});

test('what somebody has read has to be repeated', async () => {
  const { resumeState, continuation, left } = await resume('deltas', [encodeOps([['r', 'Hm']])], {
    wasRead: true,
  });
  assert.deepEqual(resumeState, { entries: 1, ops: [['r', 'Hm']], replays: true });
  assert.deepEqual([continuation, left], [null, 1]);
});

test('a request that cannot be continued starts over, though its text is plain', async () => {
  const { continuation, left } = await resume('deltas', [encodeOps([['t', 'One', 1]])], {
    request: { n: 2 },
  });
  assert.deepEqual([continuation, left], [null, 0]);
});

test('raw events that cannot be read start over', async () => {
  const { resumeState, left } = await resume('events', ['data: {"cho\n\n'], { wasRead: true });
  assert.deepEqual([resumeState, left], [{ entries: 1, ops: [], replays: true }, 1]);
});
