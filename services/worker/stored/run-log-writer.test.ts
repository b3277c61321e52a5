import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptKey, decodeOps, type LogOp } from '@penstock/protocol';
import { newRun } from '@penstock/runs';
import type { AppendOutcome, RunLog } from '@penstock/transport';
import { nth } from '@penstock/transport/contracts';
import { MemoryRunLog, MemoryRunStore } from '@penstock/transport/memory';
import { RunLogWriter } from './run-log-writer.ts';

const event = (delta: object, finish: string | null = null) =>
  Buffer.from(`data: ${JSON.stringify({ choices: [{ delta, finish_reason: finish }] })}\n\n`);
const text = (content: string) => event({ content });

/** A writer on a log in memory; `outcome` is what each append returns. */
function writer(
  outcome: () => AppendOutcome,
  logged: readonly LogOp[] = [],
  replays = false,
  kind: 'deltas' | 'events' = 'deltas',
) {
  const entries: string[] = [];
  const heard: string[] = [];
  const log = {
    append: async (_id: string, _attempt: AttemptKey, at: number, entry: Buffer) => {
      if (at === entries.length) entries.push(entry.toString());
      return outcome();
    },
  } as unknown as RunLog;
  const made = new RunLogWriter({
    ...{ log, id: 'x', attempt: nth(1), kind, resumeState: { entries: 0, ops: logged, replays } },
    onFenced: () => heard.push('fenced'),
    onBroken: why => heard.push(why),
  });
  return { made, entries, heard };
}
const settle = () => new Promise(resolve => setImmediate(resolve));

test('the first words are written at once, later ones with their tick, the rest with the end', async () => {
  const { made, entries } = writer(() => 0);
  made.add(text('One'), false);
  await settle();
  assert.deepEqual(entries, ['[["t","One",1]]']);
  made.add(text(' two'), false);
  made.add(text(' three'), false);
  made.add(event({}, 'stop'), true);
  const last = await made.close();
  assert.equal(last?.at, 1);
  assert.deepEqual(decodeOps(last?.entry ?? Buffer.from('[]')), [
    ['t', ' two three', 2],
    ['f', 'stop'],
  ]);
  assert.equal(made.completion.choices?.[0]?.message?.content, 'One two three');
});

test('a superseded attempt writes nothing more and reports it once', async () => {
  const { made, heard } = writer(() => 'fenced');
  made.add(text('Late'), false);
  await settle();
  made.add(text(' words'), true);
  assert.equal(await made.close(), null);
  assert.deepEqual(heard, ['fenced']);
});

test('of two attempts of one number only the one that has the run is logged', async () => {
  const store = new MemoryRunStore({ now: () => 0 });
  const log = new MemoryRunLog(store);
  const queue = { region: 'eu', shard: 0, slug: 'm', lane: 'background', size: 'any' } as const;
  const about = { id: 'x', kind: 'response', detail: '', tenant: 't', endpoint: 'chat', model: 'm' } as const;
  await store.create(newRun({ ...about, log: 'deltas', queue, createdAt: 0, deadlineAt: 9e9 }), 9e9, null);
  const heard: string[] = [];
  const writing = (nonce: number) =>
    new RunLogWriter({
      ...{ log, id: 'x', attempt: nth(1, nonce), kind: 'deltas', resumeState: null },
      onFenced: () => heard.push(`fenced ${nonce}`),
      onBroken: why => heard.push(why),
    });
  await store.begin('x', nth(1, 7), 'w-1');
  const [one, other] = [writing(7), writing(8)];
  one.add(text('One'), false);
  other.add(text('Uno'), false);
  await settle();
  one.add(text(' two'), true);
  assert.equal(await other.close(), null);
  assert.equal((await one.close())?.at, 1);
  assert.deepEqual((await log.peek('x', 0, 9)).map(String), ['[["t","One",1]]']);
  assert.deepEqual(heard, ['fenced 8']);
});

test('what an engine repeats is not logged again, however it is chunked', async () => {
  const logged: LogOp[] = [
    ['r', 'Think'],
    ['c', 0, 'c1', 'f', '{"a"'],
  ];
  const { made, entries } = writer(() => 0, logged, true);
  made.add(event({ reasoning_content: 'Thi' }), false);
  made.add(event({ reasoning_content: 'nk' }), false);
  made.add(event({ tool_calls: [{ index: 0, id: 'c2', function: { name: 'f', arguments: '' } }] }), false);
  assert.ok(made.isBehind);
  made.add(event({ tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] }), false);
  await settle();
  assert.deepEqual(entries, ['[["c",0,null,null,":1}"]]']);
  const [call] = made.completion.choices?.[0]?.message?.tool_calls ?? [];
  assert.deepEqual([call?.id, call?.function?.arguments], ['c1', '{"a":1}']);
});

test('an engine that says something else breaks the run', () => {
  const { made, heard } = writer(() => 0, [['r', 'Think']], true);
  made.add(event({ reasoning_content: 'Thus' }), false);
  assert.match(heard[0] ?? '', /answered differently/);
});

test('a log that lost entries breaks the run', async () => {
  const { made, heard } = writer(() => 'torn');
  made.add(text('x'), false);
  await settle();
  assert.match(heard[0] ?? '', /lost/);
});

test('events that are not JSON throw to the caller', () => {
  assert.throws(() => writer(() => 0).made.add(Buffer.from('data: {"cho\n\n'), false));
});

test('words that the store refuses are written once it takes them, before those that came meanwhile', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let refuses = true;
  let tries = 0;
  const { made, entries, heard } = writer(() => {
    tries++;
    if (refuses) throw new Error('no room');
    return 0;
  });
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await settle();
  };
  made.add(text('One'), false);
  await settle();
  entries.pop();
  for (const pauseMs of [25, 50, 100]) {
    await pass(pauseMs);
    entries.pop();
  }
  assert.equal(tries, 4);
  made.add(text(' two'), true);
  const closed = made.close();
  refuses = false;
  await pass(200);
  const last = await closed;
  assert.deepEqual(entries, ['[["t","One",1]]']);
  assert.deepEqual(
    [last?.at, decodeOps(last?.entry ?? Buffer.from('[]')), heard],
    [1, [['t', ' two', 1]], []],
  );
});

test('what was refused is not tried any more once the attempt is given up', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let tries = 0;
  const { made, heard } = writer(() => {
    tries++;
    throw new Error('no room');
  });
  made.add(text('One'), false);
  await settle();
  const closed = made.close();
  made.stop();
  t.mock.timers.tick(1000);
  assert.equal(await closed, null);
  assert.deepEqual([tries, heard], [1, []]);
});

test('raw events that somebody has read are not sent again', async () => {
  const { made, entries, heard } = writer(() => 0, [], true, 'events');
  made.add(text('One'), false);
  await settle();
  assert.deepEqual(entries, []);
  assert.deepEqual(heard, [made.broken]);
  assert.equal(await made.close(), null);
});
