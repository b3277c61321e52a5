import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryAuditLog } from '@penstock/transport/memory';
import { RefusedKeys } from './refused-keys.ts';

function start() {
  let now = 0;
  const audit = new MemoryAuditLog();
  const refused = new RefusedKeys(audit, { now: () => 7, monotonic: () => now });
  const pass = (ms: number) => {
    now += ms;
    refused.tick();
  };
  const told = async () =>
    (await audit.list(1000))
      .map(({ who, ip, failures, count }) => `${who} ${ip} ${failures} ${count}`)
      .reverse();
  return { refused, pass, told, audit };
}

const WRONG = { ip: '10.0.0.1', why: 'invalid_api_key', project: '' };

test('the first refusal is noted at once, and how many more there were a minute later', async () => {
  const { refused, pass, told } = start();
  for (let i = 0; i < 50; i++) refused.note(WRONG);
  refused.note({ ...WRONG, why: 'not_allowed', project: 'proj_1' });
  const first = ['nobody 10.0.0.1 invalid_api_key 1', 'proj_1 10.0.0.1 not_allowed 1'];
  assert.deepEqual(await told(), first);
  pass(59_000);
  assert.equal((await told()).length, 2);
  pass(1000);
  assert.deepEqual(await told(), [...first, 'nobody 10.0.0.1 invalid_api_key 49']);
  refused.note(WRONG);
  assert.equal((await told()).length, 4, 'a new minute');
});

test('who comes from many addresses fills neither the log nor the memory', async () => {
  const { refused, pass, told } = start();
  for (let i = 0; i < 5000; i++) refused.note({ ...WRONG, ip: `10.0.${i >> 8}.${i & 255}` });
  pass(60_000);
  const lines = await told();
  assert.equal(lines.length, 102);
  assert.equal(lines.at(-1), 'nobody others others 4899');
});

test('what Redis cannot take is not kept for it', async () => {
  const { refused, pass, told, audit } = start();
  Object.assign(audit, { connected: false });
  refused.note(WRONG);
  refused.note(WRONG);
  pass(60_000);
  assert.deepEqual(await told(), []);
});
