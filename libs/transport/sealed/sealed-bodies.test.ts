import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MemoryDataKeys } from '../memory/data-keys.ts';
import { MemoryRequestBodies } from '../memory/request-bodies.ts';
import { KeyList } from '../vault/key-list.ts';
import { Vault } from '../vault/vault.ts';
import { SealedBodies } from './sealed-bodies.ts';

test('sealing a large body lets other work in between its pieces', async () => {
  const wrapper = KeyList.parse(KeyList.draw('k1'), 'PENSTOCK_X');
  const clock = { now: () => 0, monotonic: () => 0 };
  const vault = new Vault({ records: new MemoryDataKeys(), wrapper, isOn: true, clock });
  const body = randomBytes(8 * 1024 * 1024);
  let turns = 0;
  let isOver = false;
  const other = () => {
    turns += 1;
    if (!isOver) setImmediate(other);
  };
  setImmediate(other);
  const store = new SealedBodies(new MemoryRequestBodies(clock), vault);
  const claim = await store.put('r', body, 'p');
  isOver = true;
  assert.ok(turns >= 8, `${turns} turns`);
  assert.equal(claim.bytes, body.length);
});
