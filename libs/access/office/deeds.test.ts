import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatchError } from '@penstock/protocol';
import { MemoryAuditLog, MemoryProjectRecords } from '@penstock/transport/memory';
import { readKeyText } from '../key-text.ts';
import { Peppers } from '../peppers.ts';
import { Deeds } from './deeds.ts';
import { KeyOffice } from './key-office.ts';
import { ProjectOffice } from './project-office.ts';

const NOW_S = 1_000_000;
const BY = { who: 'key_admin', ip: '10.0.0.1' };

function start() {
  const audit = new MemoryAuditLog();
  const records = new MemoryProjectRecords();
  const state = { nowS: NOW_S };
  const clock = { now: () => state.nowS * 1000 };
  const deeds = new Deeds(audit, clock);
  let ids = 0;
  const about = { records, deeds, nextId: () => `${++ids}`, clock };
  const keys = new KeyOffice({ ...about, peppers: new Peppers(['p'.repeat(32)]) });
  const told = async () => (await audit.list(100)).reverse();
  return { audit, records, state, projects: new ProjectOffice(about), keys, told };
}

test('each deed has its entry: who, what, of which project, with what was asked for, and never a key', async () => {
  const { projects, keys, told } = start();
  const { id } = await projects.create(BY, 'search');
  await projects.update(BY, id, { name: 'Search' });
  await projects.limit(BY, id, 'm', { rpm_limit: 5 });
  await projects.permit(BY, id, { mode: 'allow_list', names: Array.from({ length: 30 }, (_, i) => `m${i}`) });
  const account = await projects.addAccount(BY, id, 'ci');
  const { key, text } = await keys.create(BY, await projects.find(id), account.id, {
    ...{ name: 'k', scopes: ['chat'], expiresInS: 60 },
  });
  await keys.update(BY, id, key.id, { expiresInS: null });
  await projects.removeAccount(BY, id, account.id);
  await projects.archive(BY, id);
  const entries = await told();
  assert.deepEqual(
    entries.map(({ action, targets }) => `${action} ${targets}`),
    [
      ...[
        `project.created ${id}`,
        `project.updated ${id}`,
        'rate_limit.updated rl-m',
        `project.updated ${id}`,
      ],
      ...[`service_account.created ${account.id}`, `api_key.created ${key.id}`, `api_key.updated ${key.id}`],
      ...[`service_account.deleted ${account.id},${key.id}`, `project.archived ${id}`],
    ],
  );
  for (const { who, ip, project, failures } of entries)
    assert.deepEqual([who, ip, project, failures], ['key_admin', '10.0.0.1', id, undefined]);
  assert.deepEqual(entries[2]?.changes, { rpm_limit: 5 });
  const names = entries[3]?.changes?.['model_ids'] ?? [];
  assert.equal((names as string[]).at(-1), 'and 10 more');
  assert.deepEqual(entries[5]?.changes, {
    ...{ name: 'k', kind: 'api', service_account: account.id, scopes: ['chat'], expires_at: NOW_S + 60 },
  });
  assert.deepEqual(entries[6]?.changes, { expires_at: null });
  const all = JSON.stringify(entries);
  for (const secret of [text, key.hmac]) assert.ok(!all.includes(secret));
});

test('what fails has a second entry, what cannot be meant none, and what cannot be noted is not done', async () => {
  const { projects, records, audit, told } = start();
  const { id } = await projects.create(BY, 'a');
  await assert.rejects(projects.update(BY, 'proj_none', { name: 'b' }), { code: 'project_not_found' });
  records.putProject = async () => Promise.reject(new Error('gone'));
  await assert.rejects(projects.update(BY, id, { name: 'b' }), /gone/);
  assert.deepEqual(
    (await told()).map(({ action, failures }) => `${action} ${failures}`),
    ['project.created undefined', 'project.updated undefined', 'project.updated internal_error'],
  );
  Object.assign(audit, { add: () => Promise.reject(new Error('full')) });
  let done = 0;
  records.putProject = async () => ++done > 0;
  await assert.rejects(
    projects.archive(BY, id),
    (err: DispatchError) => err.code === 'store_unavailable' && /nothing was done/.test(err.message),
  );
  assert.equal(done, 0);
});

test('a rotated key has a successor like it, lives on for the overlap and no longer than it would have', async () => {
  const { projects, keys, state } = start();
  const { id } = await projects.create(BY, 'a');
  const account = await projects.addAccount(BY, id, 'ci');
  const made = async (expiresInS: number | null) =>
    (await keys.create(BY, await projects.find(id), account.id, { name: 'k', scopes: ['chat'], expiresInS }))
      .key;
  const forever = await made(null);
  state.nowS += 100;
  const { made: next, old } = await keys.rotate(BY, forever.id, 50);
  assert.equal(old?.expiresAt, NOW_S + 150);
  assert.deepEqual(
    [next.key.project, next.key.account, next.key.name, next.key.scopes, next.key.expiresAt],
    [id, account.id, 'k', ['chat'], null],
  );
  assert.notEqual(next.key.id, forever.id);
  assert.ok(readKeyText(next.text));
  const short = await made(20);
  state.nowS += 5;
  const { made: second, old: first } = await keys.rotate(BY, short.id, 50);
  assert.equal(first?.expiresAt, short.expiresAt, 'it ends sooner anyway');
  assert.equal(second.key.expiresAt, state.nowS + 20, 'as long as the one before');
  assert.equal((await keys.rotate(BY, second.key.id, 0)).old, null);
  await assert.rejects(keys.lookUp(second.key.id), { code: 'key_not_found' });
});
