import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedAddress } from '@penstock/protocol';
import { toFields, toRun } from './run-codec.ts';

/** As versions write it that know streams and subjects only. */
const RECORD = {
  ...{ kind: 'job', detail: '', tenant: 't', endpoint: 'chat', model: 'M', slug: 'm', log: 'none' },
  ...{ stream: 'WORK_eu_2', subject: 'work.eu.2.m.background.any.any.r1', createdAt: '1', deadlineAt: '2' },
};
const STATE = { status: 'queued', attempt: '0', failures: '0' };
const KEY = { region: 'eu', shard: 2, slug: 'm', lane: 'background', size: 'any' } as const;

function read(fields: Record<string, string>) {
  const entries = Object.entries({ ...fields, ...STATE });
  return toRun('r1', Object.fromEntries(entries.map(([name, text]) => [name, Buffer.from(text)])));
}

test('a record names the place in the queue by stream and subject', () => {
  const run = read(RECORD);
  assert.deepEqual(run?.address, sharedAddress(KEY, 'r1'));
  const { status: _s, worker: _w, attempt: _a, logLength: _l, result: _r, ...created } = run ?? assert.fail();
  const written = Object.entries(toFields(created)).map(([name, value]) => [name, String(value)]);
  assert.deepEqual(Object.fromEntries(written), RECORD);
});

test('a run that was never queued has a record without a place', () => {
  const run = read({ ...RECORD, stream: '', subject: '' });
  assert.equal(run?.address, null);
  const { stream, subject } = toFields(run ?? assert.fail());
  assert.deepEqual([stream, subject], ['', '']);
});
