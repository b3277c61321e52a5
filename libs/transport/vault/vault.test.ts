import assert from 'node:assert/strict';
import { hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { WorkEnvelope, WorkMeta } from '@penstock/protocol';
import { MemoryDataKeys } from '../memory/data-keys.ts';
import type { DataKeyRecords } from '../ports/sealing/data-key-records.ts';
import { GivenSeals } from './given-seals.ts';
import { KeyList } from './key-list.ts';
import {
  extractOf,
  isSealed,
  isSealedText,
  keyIdIn,
  openWith,
  recordKeyOf,
  sealWith,
} from './sealed-bytes.ts';
import { aboutKey, Vault } from './vault.ts';
import { WorkSeals } from './work-seals.ts';

const SETTING = 'PENSTOCK_X';
const line = (name: string) => `${name}:${randomBytes(32).toString('base64')}`;
const [K1, K2, W1, W2] = [line('k1'), line('k2'), line('w1'), line('w2')];
const list = (...lines: string[]) => KeyList.parse(lines.join('\n'), SETTING);
const place = { project: 'p', record: 'run:r' };
const TEXT = Buffer.from('what was asked');

let time = Date.parse('2026-11-30T12:00:00Z');
const clock = { now: () => time, monotonic: () => time };
function vaultOf(records: DataKeyRecords, wrapper: KeyList | null = list(K1), isOn = true): Vault {
  return new Vault({ records, wrapper, isOn, clock });
}

async function sealedBy(vault: Vault, { project, record } = place, field = 'body'): Promise<Buffer> {
  const sealer = await vault.sealer(project, record);
  assert.ok(sealer);
  return sealer.seal(field, TEXT);
}

const why = (text: RegExp) => (err: Error) =>
  err.name === 'SealError' && text.test(err.message) && !err.message.includes(TEXT.toString());

test('what was sealed opens, whatever it is, with another nonce each time; and not where a bit of it is another', () => {
  const key = recordKeyOf(extractOf(randomBytes(32)), '2026-11-30-a', place);
  for (const size of [0, 1, 15, 16, 17, 70_000]) {
    const content = randomBytes(size);
    const [one, other] = [sealWith(key, 'f', content), sealWith(key, 'f', content)];
    assert.ok(isSealed(one) && !one.equals(other));
    assert.equal(keyIdIn(one), '2026-11-30-a');
    assert.ok(openWith(key, 'f', one).equals(content));
    if (size > 70) continue;
    for (let at = 0; at < one.length; at++) {
      const changed = Buffer.from(one);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.throws(() => openWith(key, 'f', changed), { name: 'SealError' }, `byte ${at}`);
      assert.throws(() => openWith(key, 'f', one.subarray(0, at)), { name: 'SealError' }, `cut at ${at}`);
    }
  }
});

test('the key of a record is that of HKDF, as it was for what is sealed already', () => {
  const dataKey = randomBytes(32);
  const info = JSON.stringify(['penstock record key', 1, place.project, place.record]);
  const expected = Buffer.from(hkdfSync('sha256', dataKey, Buffer.alloc(0), info, 32));
  assert.ok(recordKeyOf(extractOf(dataKey), 'k', place).key.equals(expected));
});

test('nothing opens in the place of another: field, record, project and data key are bound', async () => {
  const records = new MemoryDataKeys();
  const vault = vaultOf(records);
  const sealed = await sealedBy(vault);
  assert.ok((await vault.open('p', 'run:r', 'body', sealed)).equals(TEXT));
  await assert.rejects(
    vault.open('p', 'run:r', 'detail', sealed),
    why(/detail of run:r is not what was sealed/),
  );
  await assert.rejects(vault.open('p', 'run:s', 'body', sealed), why(/it was changed, or belongs elsewhere/));
  await sealedBy(vault, { project: 'q', record: 'run:r' });
  await assert.rejects(
    vault.open('q', 'run:r', 'body', sealed),
    why(/the data key "2026-11-30-.*" is not there/),
  );
  await assert.rejects(vault.open(null, 'run:r', 'body', sealed), why(/is not there/));
});

test('of two processes that need the first key of a day both use one', async () => {
  const records = new MemoryDataKeys();
  const [one, other] = [vaultOf(records), vaultOf(records)];
  const [a, b] = await Promise.all([sealedBy(one), sealedBy(other)]);
  assert.equal(keyIdIn(a), keyIdIn(b));
  assert.ok((await one.open('p', 'run:r', 'body', b)).equals(TEXT));
  assert.ok((await other.open('p', 'run:r', 'body', a)).equals(TEXT));
  time += 86_400_000;
  assert.notEqual(keyIdIn(await sealedBy(one)), keyIdIn(a));
  assert.ok((await one.open('p', 'run:r', 'body', a)).equals(TEXT), 'what was sealed yesterday');
});

test('what was kept in the clear opens as it is; switched off, what is new is in the clear and what is sealed opens', async () => {
  const records = new MemoryDataKeys();
  const sealed = await sealedBy(vaultOf(records));
  const off = vaultOf(records, list(K1), false);
  assert.equal(await off.sealer('p', 'run:r'), null);
  assert.ok((await off.open('p', 'run:r', 'body', sealed)).equals(TEXT));
  for (const plain of ['', '{}', 'ID3…']) {
    const bytes = Buffer.from(plain);
    assert.equal(await off.open('p', 'run:r', 'body', bytes), bytes);
  }
});

test('a key that is missing is named, and told as long as it is', async () => {
  const records = new MemoryDataKeys();
  const sealed = await sealedBy(vaultOf(records));
  for (const wrapper of [list(K2), null]) {
    const vault = vaultOf(records, wrapper);
    await vault.check();
    assert.match(vault.trouble ?? '', /the key "k1" is not in PENSTOCK_/);
    await assert.rejects(vault.open('p', 'run:r', 'body', sealed), why(/the key "k1" is not in PENSTOCK_/));
    assert.match(vault.trouble ?? '', /"k1"/);
  }
  const found = vaultOf(records, list(K2, K1));
  await found.check();
  assert.equal(found.trouble, null);
});

test('rotation: a key in front wraps what is new, wraps again what there is, and the old one can go', async () => {
  const records = new MemoryDataKeys();
  const sealed = await sealedBy(vaultOf(records));
  const both = list(K2, K1);
  for await (const { project, day, key } of records.all(null)) {
    const about = aboutKey(project, key.id);
    const wrapped = await both.wrap(await both.unwrap(key.wrapped, about), about);
    assert.ok(await records.rewrap(project, day, { ...key, wrapped }, key.wrapped));
    assert.equal(await records.rewrap(project, day, { ...key, wrapped }, key.wrapped), false, 'once');
  }
  assert.ok((await vaultOf(records, list(K2)).open('p', 'run:r', 'body', sealed)).equals(TEXT));
});

test('a project whose keys are erased cannot be read any more, and another can; what it stores later can', async () => {
  const records = new MemoryDataKeys();
  const vault = vaultOf(records);
  const other = { project: 'q', record: 'run:r' };
  const [mine, others] = [await sealedBy(vault), await sealedBy(vault, other)];
  assert.equal(await records.erase('p'), 1);
  time += 60_001;
  await assert.rejects(vault.open('p', 'run:r', 'body', mine), why(/were erased or lost/));
  assert.ok((await vault.open('q', 'run:r', 'body', others)).equals(TEXT));
  const later = await sealedBy(vault);
  assert.ok((await vault.open('p', 'run:r', 'body', later)).equals(TEXT));
  await assert.rejects(
    vault.open('p', 'run:r', 'body', mine),
    why(/were erased or lost/),
    'a key of the same day',
  );
});

test('lists of keys: named, of 32 bytes, each once; errors quote nothing', () => {
  assert.deepEqual(list(`# the newest\n${K2}\n`, K1).names, ['k2', 'k1']);
  for (const text of ['', 'k1', 'k1:c2hvcnQ=', `a b:${K1.slice(3)}`, `${K1}\n${K1}`, `${K1.slice(3)}`])
    assert.throws(
      () => KeyList.parse(text, SETTING),
      (err: Error) => err.name === 'TypeError' && !err.message.includes(K1.slice(3)),
    );
});

const META = { v: 1, id: 'r', stored: true, run: { kind: 'job', tenant: 'p', detail: '{"asked":1}' } };
function work(change: object = {}): WorkEnvelope {
  return { meta: { ...META, ...change } as unknown as WorkMeta, body: TEXT };
}

test('a worker opens what it is given, seals for it, and can do neither for anything else', async () => {
  const records = new MemoryDataKeys();
  const vault = vaultOf(records);
  const sealed = await new WorkSeals(vault, list(W1), false).seal('p', work());
  assert.equal(sealed.meta.v, 2);
  assert.ok(!sealed.body.includes(TEXT) && isSealedText(sealed.meta.run?.detail ?? ''));
  const worker = new GivenSeals(list(W2, W1));
  await assert.rejects(
    worker.open('p', 'run:r', 'body', await sealedBy(vault)),
    why(/this worker was not given/),
  );
  const received = worker.receive(sealed);
  assert.ok(received.body.equals(TEXT));
  assert.equal(received.meta.v, 1);
  const answer = (await worker.sealer(null, 'run:r'))?.seal('body', TEXT);
  assert.ok(answer && (await vault.open('p', 'run:r', 'body', answer)).equals(TEXT));
  const other = { project: 'p', record: 'run:other' };
  await assert.rejects(
    worker.open('p', 'run:other', 'body', await sealedBy(vault, other)),
    why(/was not given/),
  );
  assert.equal(await worker.sealer('p', 'run:other'), null);
  // The key of one run, said to be that of another.
  const forged = { ...sealed, meta: { ...sealed.meta, id: 'other' } };
  assert.throws(() => new GivenSeals(list(W1)).receive(forged), why(/a wrapped key was changed/));
});

test('a worker without the key for work takes nothing that is sealed; one from before sealing takes what is not', () => {
  const plain = work();
  assert.equal(new GivenSeals(null).receive(plain), plain);
  const given = work({ seal: { id: 'd', project: 'p', key: 'w1.x' } });
  assert.throws(() => new GivenSeals(null).receive(given), why(/PENSTOCK_WORK_KEYS_FILE/));
  assert.throws(() => new GivenSeals(list(W2)).receive(given), why(/the key "w1" is not in/));
});

test('work of waiting clients carries its key, for should it be stored, and its body is sealed where that is asked for', async () => {
  const vault = vaultOf(new MemoryDataKeys());
  const interactive = work({ stored: false, run: undefined });
  const { meta, body } = await new WorkSeals(vault, list(W1), false).seal('p', interactive);
  assert.deepEqual([meta.v, body], [1, TEXT]);
  const worker = new GivenSeals(list(W1));
  assert.ok(worker.receive({ meta, body }).body.equals(TEXT));
  assert.notEqual(await worker.sealer(null, 'run:r'), null);
  const all = await new WorkSeals(vault, list(W1), true).seal('p', interactive);
  assert.ok(!all.body.includes(TEXT) && worker.receive(all).body.equals(TEXT));
  const again = await new WorkSeals(vault, list(W1), true).seal('p', all);
  assert.deepEqual(again, all, 'sealed once');
  assert.ok(new WorkSeals(vaultOf(new MemoryDataKeys(), list(K1), false), list(W1), true).isOff);
});
