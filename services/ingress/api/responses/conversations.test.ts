import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConversationRecord, InputItem, StoredRun } from '@penstock/protocol';
import { DispatchError } from '@penstock/protocol';
import type { ConversationRecords } from '@penstock/transport';
import { Conversations } from './conversations.ts';

/** One conversation in memory, and the runs that it may name. */
function setup(runs: Record<string, Partial<StoredRun>> = {}) {
  let record: ConversationRecord | null = null;
  let entries: string[] = [];
  let ids = 0;
  const records: ConversationRecords = {
    create: async made => {
      record = made;
    },
    record: async id => (record?.id === id ? record : null),
    entries: async () => [...entries],
    describe: async () => record !== null,
    add: async (_id, more) => {
      if (record === null) return 'missing';
      entries.push(...more);
      return 'added';
    },
    replace: async (_id, entry, by) => {
      entries = entries.flatMap(each => (each === entry ? by : [each]));
    },
    remove: async () => {
      record = null;
    },
    close: async () => {},
  };
  const find = async (id: string) => {
    const run = runs[id.slice('resp_'.length)];
    if (run === undefined) throw new DispatchError('response_not_found');
    return run as StoredRun;
  };
  const conversations = new Conversations({
    storeRoom: { pass() {} },
    dropDead: async () => {},
    ...{ records, ttlMs: 1, maxBytes: 1e6, nextId: () => `n${++ids}` },
    runs: { find, refresh: async run => run },
    clock: { now: () => 5000, monotonic: () => 0 },
  });
  return { conversations, entries: () => entries };
}

const answered = (id: string, said: string): Partial<StoredRun> => ({
  ...{ id, status: 'completed', createdAt: 1 },
  detail: JSON.stringify({ input: [{ role: 'user', content: `to ${said}` }], params: {}, background: true }),
  result: {
    ...{ status: 200, contentType: 'application/json', finishedAt: 1 },
    body: Buffer.from(JSON.stringify({ choices: [{ message: { content: said }, finish_reason: 'stop' }] })),
  },
});
const textsOf = (items: readonly InputItem[]) =>
  items.map(item => (item['content'] as { text: string }[])[0]?.text);

test('a response on its way becomes its items when it is over, in its place', async () => {
  const runs: Record<string, Partial<StoredRun>> = { r1: { id: 'r1', status: 'in_progress' } };
  const { conversations, entries } = setup(runs);
  const conversation = await conversations.create('t', [{ role: 'user', content: 'first' }], {});
  await conversations.addRun(conversation, 'r1');
  await conversations.add(conversation, [{ role: 'user', content: 'last' }]);
  let busy = 0;
  assert.deepEqual(textsOf(await conversations.items(conversation, null, () => busy++)), ['first', 'last']);
  assert.equal(busy, 1);
  runs['r1'] = answered('r1', 'hello');
  for (let i = 0; i < 2; i++)
    assert.deepEqual(textsOf(await conversations.items(conversation)), [
      'first',
      'to hello',
      'hello',
      'last',
    ]);
  assert.ok(entries().every(entry => !entry.includes('"run"')));
  const ids = (await conversations.items(conversation)).map(item => item.id);
  assert.deepEqual(ids.slice(1, 3), ['item_r1_0', 'msg_r1_0']);
  assert.equal(new Set(ids).size, 4);
});

test('a response that failed or was deleted leaves nothing, and what was added twice is there once', async () => {
  const { conversations, entries } = setup({ failed: { id: 'failed', status: 'failed', result: null } });
  const conversation = await conversations.create('t', [], {});
  for (const id of ['failed', 'deleted']) await conversations.addRun(conversation, id);
  const [item] = await conversations.add(conversation, [{ id: 'mine', role: 'user', content: 'x' }]);
  await conversations.add(conversation, [item as InputItem]);
  assert.deepEqual(textsOf(await conversations.items(conversation)), ['x']);
  assert.equal(entries().length, 2);
});

test('a conversation of another tenant, or none, is not found', async () => {
  const { conversations } = setup();
  const { id } = await conversations.create('t', [], {});
  assert.equal((await conversations.find(`conv_${id}`, 't')).id, id);
  for (const [asked, tenant] of [
    [`conv_${id}`, 'other'],
    [id, 't'],
    ['conv_nobody', 't'],
    ['conv_../x', 't'],
  ] as const)
    await assert.rejects(conversations.find(asked, tenant), { code: 'conversation_not_found' });
});

test('an item that is deleted is gone, also one of a response', async () => {
  const { conversations } = setup({ r1: answered('r1', 'hello') });
  const conversation = await conversations.create('t', [{ id: 'a', role: 'user', content: 'x' }], {});
  await conversations.addRun(conversation, 'r1');
  assert.equal(await conversations.removeItem(conversation, 'msg_r1_0'), true);
  assert.equal(await conversations.removeItem(conversation, 'msg_r1_0'), false);
  assert.deepEqual(textsOf(await conversations.items(conversation)), ['x', 'to hello']);
});
