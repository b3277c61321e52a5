import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitnessOf } from './fitness.ts';

const FIT = {
  role: 'master',
  connected_slaves: '1',
  aof_enabled: '1',
  maxmemory_policy: 'noeviction',
  cluster_enabled: '0',
};

function look(change: Partial<typeof FIT>, { mayConfigure = true, replicas = 0 } = {}) {
  const lines = Object.entries({ ...FIT, ...change }).map(([name, value]) => `${name}:${value}`);
  return fitnessOf({ info: `# Server\r\n${lines.join('\r\n')}\r\n`, mayConfigure, replicas });
}

test('a server that keeps what it confirms is taken', () => {
  assert.deepEqual(look({}), { refusal: null, warnings: [] });
  assert.deepEqual(look({}, { replicas: 1 }), { refusal: null, warnings: [] });
});

test('one that cannot is refused, in one line that says what to do', () => {
  for (const [change, why] of [
    [{ cluster_enabled: '1', aof_enabled: '0' }, /Redis Cluster.*without cluster mode/],
    [{ role: 'slave' }, /replica.*address of the primary/],
    [{ aof_enabled: '0' }, /appendonly yes/],
    [{ maxmemory_policy: 'allkeys-lru' }, /allkeys-lru.*noeviction/],
  ] as const) {
    const { refusal } = look(change);
    assert.match(refusal ?? '', why);
    assert.doesNotMatch(refusal ?? '', /\n/);
  }
});

test('of one whose settings nobody may change it is only said, but a cluster is refused all the same', () => {
  const managed = { mayConfigure: false };
  const { refusal, warnings } = look({ aof_enabled: '0', maxmemory_policy: 'volatile-lru' }, managed);
  assert.equal(refusal, null);
  assert.match(warnings.join('\n'), /appendonly yes[\s\S]*volatile-lru/);
  assert.match(look({ cluster_enabled: '1' }, managed).refusal ?? '', /Cluster/);
  assert.match(fitnessOf({ info: null, ...managed, replicas: 0 }).warnings.join(), /INFO is forbidden/);
});

test('replicas that are missing are told of', () => {
  assert.match(look({ connected_slaves: '0' }, { replicas: 1 }).warnings.join(), /it has 0 replicas/);
});
