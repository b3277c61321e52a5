import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeyRecord, type Project, tenantOfKey } from '@penstock/protocol';
import { MemoryProjectRecords } from '@penstock/transport/memory';
import { openKeyStore } from './key-store.ts';
import { mintKey } from './key-text.ts';
import { KnownRecords } from './lookup/known-records.ts';
import { CONFIRMED_MS } from './lookup/record-version.ts';
import { Peppers } from './peppers.ts';
import { Provisioned } from './provisioned/provisioned.ts';

const GRACE_MS = 60_000;
const PEPPERS = new Peppers(['p'.repeat(32)]);
const CONFIGURED = 'sk-configured';
const NOW_S = 1_000_020;

class Counting extends MemoryProjectRecords {
  reads = 0;
  override async key(id: string) {
    this.reads++;
    return super.key(id);
  }
  override async project(id: string) {
    this.reads++;
    return super.project(id);
  }
}

/** A region with one project `proj_1` whose account `svc_1` has one key, and one process that looks keys up. */
async function startRegion(peppers = PEPPERS) {
  const records = new Counting();
  let elapsed = 0;
  const clock = { now: () => NOW_S * 1000 + elapsed, monotonic: () => elapsed };
  const { ring, tick } = openKeyStore({
    records,
    provisioned: new Provisioned(),
    tokens: null,
    configured: [CONFIGURED],
    admins: ['an-admin-key'],
    peppers,
    graceMs: GRACE_MS,
    clock,
  });
  const project: Project = {
    ...{ id: 'proj_1', name: 'one', createdAt: 1, archivedAt: null, revision: 1 },
    ...{
      serviceAccounts: [{ id: 'svc_1', name: 'a', createdAt: 1 }],
      limits: { '*': { rpm_limit: 5 } },
      models: null,
      weight: 4,
    },
  };
  await records.putProject(project);
  const minted = mintKey('api');
  const key: KeyRecord = {
    ...{ id: minted.id, project: 'proj_1', account: 'svc_1', name: 'k', hint: '…', createdAt: 1 },
    ...{ expiresAt: null, scopes: ['chat'], revision: 1 },
    ...(PEPPERS.mark(minted.text) ?? assert.fail()),
  };
  await records.putKey(key);
  const pass = async (ms: number) => {
    elapsed += ms;
    tick();
    await new Promise(resolve => setImmediate(resolve));
  };
  await pass(0);
  return { records, ring, project, key, text: minted.text, pass };
}

test('a key stands for its project, with its scopes and limits, and is read once while nothing changes', async () => {
  const { records, ring, text, pass } = await startRegion();
  const caller = {
    ...{ project: 'proj_1', key: `key_${text.slice(3, 19)}` },
    ...{ permissions: { scopes: ['chat'], models: null }, limits: { '*': { rpm_limit: 5 } } },
    weight: 4,
  };
  assert.deepEqual(await ring.callerOf(text), caller);
  const reads = records.reads;
  for (let i = 0; i < 60; i++) {
    await pass(1000);
    assert.deepEqual(ring.callerOf(text), caller, 'at once');
  }
  assert.equal(records.reads, reads);
});

test('what is changed counts from the next second on: revoked, archived, expired, without an account, with other limits', async () => {
  for (const [what, expected] of [
    ['revoked', { refused: 'unknown' }],
    ['archived', { refused: 'archived' }],
    ['account gone', { refused: 'unknown' }],
    ['expired', { refused: 'expired' }],
    ['limits', null],
  ] as const) {
    const { records, ring, project, key, text, pass } = await startRegion();
    assert.ok('project' in (await ring.callerOf(text)));
    const next = { ...project, revision: 2 };
    if (what === 'revoked') await records.removeKey(key);
    if (what === 'archived') await records.putProject({ ...next, archivedAt: NOW_S });
    if (what === 'account gone') await records.putProject({ ...next, serviceAccounts: [] });
    if (what === 'expired') await records.putKey({ ...key, expiresAt: NOW_S + 1, revision: 2 });
    if (what === 'limits') await records.putProject({ ...next, limits: { m: { tpm_limit: 1 } } });
    await pass(1000);
    const verdict = await ring.callerOf(text);
    if (expected !== null) assert.deepEqual(verdict, expected, what);
    else assert.deepEqual('limits' in verdict && verdict.limits, { m: { tpm_limit: 1 } });
  }
});

test('while the store is away, known keys go on for a bounded time and nobody is told that an unknown one is wrong', async () => {
  const { records, ring, text, pass } = await startRegion();
  await ring.callerOf(text);
  const reads = records.reads;
  records.connected = false;
  await pass(GRACE_MS - 1000);
  assert.ok('project' in (await ring.callerOf(text)));
  const unavailable = { code: 'keys_unavailable', status: 503, retryAfterMs: 2000 };
  await assert.rejects(async () => ring.callerOf(mintKey('api').text), unavailable);
  assert.deepEqual(await ring.callerOf(mintKey('admin').text), { refused: 'wrong_kind' });
  await pass(2000);
  await assert.rejects(async () => ring.callerOf(text), unavailable);
  assert.equal(records.reads, reads, 'nothing waits for the store');
  records.connected = true;
  await pass(0);
  assert.ok('project' in (await ring.callerOf(text)));
});

test('a store that does not answer in time is away, and one that answers late confirms nothing', async () => {
  const { records, ring, text, pass } = await startRegion();
  await ring.callerOf(text);
  records.version = () => new Promise(() => {});
  records.key = () => Promise.reject(new Error('gone'));
  await pass(CONFIRMED_MS + 1);
  assert.ok('project' in (await ring.callerOf(text)), 'within the time of grace');
  await assert.rejects(async () => ring.callerOf(mintKey('api').text), { code: 'keys_unavailable' });
});

test('configured keys stand for the projects that their digests name, also while the store is away', async () => {
  const { records, ring, project, pass } = await startRegion();
  const tenant = tenantOfKey(CONFIGURED);
  const caller = {
    project: tenant,
    key: tenant,
    permissions: { scopes: null, models: null },
    limits: {},
    weight: 1,
  };
  records.connected = false;
  assert.deepEqual(await ring.callerOf(CONFIGURED), caller);
  records.connected = true;
  assert.deepEqual(await ring.callerOf(CONFIGURED), caller);
  const reads = records.reads;
  assert.deepEqual(ring.callerOf(CONFIGURED), caller, 'that there is no record is known, too');
  assert.equal(records.reads, reads);
  await records.putProject({ ...project, id: tenant, archivedAt: 5 });
  await pass(1000);
  assert.deepEqual(await ring.callerOf(CONFIGURED), { refused: 'archived' });
});

test('a key with the id of another, or made under a pepper that is not here, is not valid', async () => {
  const { records, ring, key, text } = await startRegion();
  const other = mintKey('api');
  await records.putKey({ ...key, id: other.id });
  assert.deepEqual(await ring.callerOf(other.text), { refused: 'unknown' });
  assert.deepEqual(await ring.callerOf(`${text.slice(0, -1)}x`), { refused: 'unknown' });
  const elsewhere = await startRegion(new Peppers([]));
  assert.deepEqual(await elsewhere.ring.callerOf(elsewhere.text), { refused: 'no_pepper' });
});

test('when a key was used is written once a minute', async () => {
  const { records, ring, text, key, pass } = await startRegion();
  await pass(61_000);
  await ring.callerOf(text);
  await pass(61_000);
  assert.deepEqual(await records.uses([key.id]), [NOW_S + 60]);
});

test('memory is bounded: of many keys the first ones are read again', async () => {
  const version = { current: 1, isConfirmed: true, unconfirmedMs: 0 };
  const known = new KnownRecords({
    ...{ store: { connected: true }, version, graceMs: 0, most: 3 },
    read: async (id: string) => (id === 'none' ? null : id),
  });
  for (const id of ['a', 'b', 'c', 'd', 'none', 'none']) await known.get(id);
  assert.equal(known.size, 3);
  assert.ok(known.get('a') instanceof Promise);
  assert.equal(known.get('d'), 'd');
});

test('admin keys never infer, and API keys never administer', async () => {
  const { records, ring, text, key } = await startRegion();
  const admin = mintKey('admin');
  const mark = PEPPERS.mark(admin.text) ?? assert.fail();
  await records.putKey({ ...key, ...mark, id: admin.id, project: null, account: null });
  assert.deepEqual(await ring.adminOf(admin.text), { key: admin.id });
  assert.deepEqual(ring.adminOf('an-admin-key'), { key: tenantOfKey('an-admin-key') });
  for (const each of [admin.text, 'an-admin-key'])
    assert.deepEqual(await ring.callerOf(each), { refused: 'wrong_kind' });
  for (const each of [text, CONFIGURED])
    assert.deepEqual(await ring.adminOf(each), { refused: 'wrong_kind' });
  assert.deepEqual(await ring.adminOf('nobody'), { refused: 'unknown' });
});
