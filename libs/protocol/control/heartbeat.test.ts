import assert from 'node:assert/strict';
import { test } from 'node:test';
import { USUAL_ENDPOINTS } from '../wire/endpoints.ts';
import { toModelSlug } from '../wire/token.ts';
import { encodeMessage } from './encode-message.ts';
import { type Heartbeat, type ModelInfo, readHeartbeat as readFrom } from './heartbeat.ts';

const MODEL: ModelInfo = {
  ...{ name: 'org/M', slug: toModelSlug('org/M'), created: 1, ownedBy: 'o', architecture: 'dense' },
  endpoints: ['chat', 'rerank'],
};
const HEARTBEAT: Heartbeat = {
  ...{ v: 1, worker: 'w-1', incarnation: 'p-1', models: [MODEL], shard: 0, slots: 8 },
  ...{ pulling: true, leaving: false, waitS: 0.5, tokensPerSec: 9000, load: 0.25 },
  ...{ cacheTokens: 12, cacheCapacity: null },
};
const readHeartbeat = (read: Uint8Array) => readFrom(read, 'w-1');
const bytes = (message: object) => Buffer.from(JSON.stringify(message));

test('a heartbeat is read as it was sent', () => {
  assert.deepEqual(readHeartbeat(encodeMessage(HEARTBEAT)), HEARTBEAT);
});

test('a report that cannot be read does not hide its worker', () => {
  const report = {
    running: 3,
    kvUse: null,
    errorRate: 0,
    outputTokens: 5,
    resting: 'draining',
    bids: {},
  } as const;
  assert.deepEqual(readHeartbeat(encodeMessage({ ...HEARTBEAT, report })), { ...HEARTBEAT, report });
  const newer = readHeartbeat(bytes({ ...HEARTBEAT, report: { ...report, resting: 'asleep' } }));
  assert.deepEqual([newer?.worker, newer?.report], ['w-1', undefined]);
});

test('a heartbeat of an older version is read: what it adds is ignored, what it lacks has a default', () => {
  const { incarnation: _incarnation, load: _load, ...older } = HEARTBEAT;
  const models = [{ ...MODEL, architecture: undefined, endpoints: undefined }];
  assert.deepEqual(readHeartbeat(bytes({ ...older, models, running: 3, level: 2 })), {
    ...HEARTBEAT,
    ...{ incarnation: '', load: 0, models: [{ ...MODEL, architecture: null, endpoints: USUAL_ENDPOINTS }] },
  });
});

test('endpoints of a newer version are left out', () => {
  const models = [{ ...MODEL, endpoints: ['chat', 'dream', 'rerank'] }];
  assert.deepEqual(readHeartbeat(bytes({ ...HEARTBEAT, models })), HEARTBEAT);
});

test('what is no heartbeat is null, not an error', () => {
  for (const odd of ['', '{', '[]', 'null', '{"v":2}', JSON.stringify({ ...HEARTBEAT, shard: -1 })])
    assert.equal(readHeartbeat(Buffer.from(odd)), null);
});
