import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchRecord, WebhookEndpoint } from '@penstock/protocol';
import { MemoryDataKeys } from '../memory/data-keys.ts';
import type { ConversationName, ConversationRecords } from '../ports/conversation-records.ts';
import type { TaskRecords } from '../ports/tasks/task-records.ts';
import type { WebhookRecords } from '../ports/webhooks/webhook-records.ts';
import { GivenSeals } from '../vault/given-seals.ts';
import { KeyList } from '../vault/key-list.ts';
import { isSealedText } from '../vault/sealed-bytes.ts';
import { Vault } from '../vault/vault.ts';
import { SealedConversations } from './sealed-conversations.ts';
import { SealedTaskRecords } from './sealed-task-records.ts';
import { SealedWebhooks } from './sealed-webhooks.ts';

const keys = KeyList.parse(KeyList.draw('k1'), 'PENSTOCK_X');
let time = 0;
const clock = { now: () => time, monotonic: () => time };
function vaultOn(records = new MemoryDataKeys(), isOn = true): Vault {
  return new Vault({ records, wrapper: keys, isOn, clock });
}

/** Of conversations, what the decorator uses, as Redis has it. */
function conversations() {
  const lists = new Map<string, string[]>();
  const records = {
    entries: async ({ id }: ConversationName) => [...(lists.get(id) ?? [])],
    add: async ({ id }: ConversationName, entries: readonly string[]) => {
      lists.set(id, [...(lists.get(id) ?? []), ...entries]);
      return 'added' as const;
    },
    replace: async ({ id }: ConversationName, entry: string, by: readonly string[]) => {
      const list = lists.get(id) ?? [];
      const at = list.indexOf(entry);
      if (at >= 0) list.splice(at, 1, ...by);
    },
  } as unknown as ConversationRecords;
  return { lists, records };
}

const limits = { ttlMs: 1, maxEntries: 100, maxBytes: 10_000 };

test('entries of a conversation are kept sealed, in order, and others take the place of one', async () => {
  const { lists, records } = conversations();
  const sealed = new SealedConversations(records, vaultOn());
  const of = { id: 'c1', tenant: 'p' };
  lists.set('c1', ['from before']);
  await sealed.add(of, ['a', 'b', 'b'], limits);
  await sealed.replace(of, 'b', ['x', 'y']);
  await sealed.replace(of, 'never', ['z']);
  await sealed.replace(of, 'from before', ['again']);
  await sealed.replace(of, 'a', []);
  assert.deepEqual(await sealed.entries(of), ['again', 'x', 'y', 'b']);
  assert.ok(lists.get('c1')?.every(isSealedText));
});

test('an entry opens in no other conversation, nor for another project', async () => {
  const { lists, records } = conversations();
  const sealed = new SealedConversations(records, vaultOn());
  await sealed.add({ id: 'c1', tenant: 'p' }, ['a'], limits);
  await sealed.add({ id: 'c2', tenant: 'p' }, ['b'], limits);
  lists.set('c2', [...(lists.get('c1') ?? [])]);
  await assert.rejects(sealed.entries({ id: 'c2', tenant: 'p' }), { name: 'SealError' });
  await assert.rejects(sealed.entries({ id: 'c1', tenant: 'q' }), { name: 'SealError' });
});

const endpoint: WebhookEndpoint = {
  ...{ id: 'whe_1', tenant: 'p', name: 'n', url: 'https://a.example/', eventTypes: [] },
  ...{ secret: 'whsec_one', oldSecret: { secret: 'whsec_zero', until: 5 }, createdAt: 0, updatedAt: 0 },
  ...{ managed: false, disabled: null },
};

function endpoints() {
  const kept = new Map<string, WebhookEndpoint>();
  const get = async (id: string) => {
    const found = kept.get(id);
    return found === undefined ? null : { endpoint: found, health: { failures: 0, pausedUntil: 0 } };
  };
  const records = {
    get,
    claim: get,
    add: async (each: WebhookEndpoint) => Boolean(kept.set(each.id, each)),
    list: async () => (await Promise.all([...kept.keys()].map(get))).filter(each => each !== null),
    update: async (id: string, change: Partial<WebhookEndpoint>) =>
      Boolean(kept.set(id, { ...(kept.get(id) ?? endpoint), ...change })),
    replaceManaged: async (all: readonly WebhookEndpoint[]) => {
      for (const each of all) kept.set(each.id, each);
    },
  } as unknown as WebhookRecords;
  return { kept, records };
}

test('the secrets of an endpoint are kept sealed, however they come, and an attempt has them', async () => {
  const { kept, records } = endpoints();
  const sealed = new SealedWebhooks(records, vaultOn());
  await sealed.add(endpoint, 5);
  await sealed.replaceManaged([{ ...endpoint, id: 'whe_2' }]);
  await sealed.update('whe_2', { oldSecret: { secret: 'whsec_one', until: 9 }, secret: 'whsec_two' });
  await sealed.update('whe_2', { disabled: 'gone' });
  const all = JSON.stringify([...kept.values()]);
  assert.ok(!/whsec/.test(all) && /a\.example/.test(all), all);
  assert.deepEqual((await sealed.claim('whe_1', 0, 1, 1))?.endpoint, endpoint);
  const second = (await sealed.get('whe_2'))?.endpoint;
  assert.deepEqual(
    [second?.secret, second?.oldSecret?.secret, second?.disabled],
    ['whsec_two', 'whsec_one', 'gone'],
  );
});

test('an endpoint whose key was erased has no secret, and is there all the same', async () => {
  const { records } = endpoints();
  const dataKeys = new MemoryDataKeys();
  const sealed = new SealedWebhooks(records, vaultOn(dataKeys));
  await sealed.add(endpoint, 5);
  await dataKeys.erase('p');
  time += 120_000;
  const [known] = await sealed.list('p');
  assert.deepEqual(known?.endpoint, { ...endpoint, secret: null, oldSecret: null });
});

test('errors of a batch are kept without what they say, and are shown as encrypted to whoever has no key', async () => {
  let batch = { id: 'batch_1', tenant: 'p', errors: [] } as unknown as BatchRecord;
  const records = {
    batch: async () => batch,
    batches: async () => ({ items: [batch], hasMore: false }),
    updateBatch: async (_id: string, change: Partial<BatchRecord>) => {
      batch = { ...batch, ...change };
      return true;
    },
  } as unknown as TaskRecords;
  const sealed = new SealedTaskRecords(records, vaultOn());
  const errors = [
    { code: 'invalid', message: 'what was asked', param: 'custom', line: 3 },
    { code: 'empty_file', message: 'nothing', param: null, line: null },
  ];
  await sealed.updateBatch('batch_1', { errors, status: 'failed' }, 0);
  assert.ok(!/what was asked|custom|nothing/.test(JSON.stringify(batch)));
  assert.deepEqual(
    batch.errors.map(({ code, line }) => [code, line]),
    [
      ['invalid', 3],
      ['empty_file', null],
    ],
  );
  assert.deepEqual((await sealed.batch('batch_1'))?.errors, errors);
  const page = await sealed.batches('p', { limit: 1, order: 'asc', after: null });
  assert.deepEqual(page?.items[0]?.errors, errors);
  const shown = await new SealedTaskRecords(records, new GivenSeals(null)).batch('batch_1');
  assert.deepEqual(
    shown?.errors.map(({ message, param }) => [message, param]),
    [
      ['(encrypted)', '(encrypted)'],
      ['(encrypted)', null],
    ],
  );
});
