import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyList, Vault } from '@penstock/transport';
import { MemoryDataKeys } from '@penstock/transport/memory';
import { encryption, rewrap } from './encryption.ts';

async function newKey(name: string): Promise<string> {
  const said: string[] = [];
  assert.equal(await encryption(['new', name], line => void said.push(line)), 0);
  return said.join('\n');
}

test('a key is drawn as the settings take it; what is asked wrongly is said', async () => {
  const line = await newKey('k-1');
  assert.deepEqual(KeyList.parse(line, 'X').names, ['k-1']);
  assert.notEqual(await newKey('k-1'), line);
  await assert.rejects(
    encryption(['new', 'a b'], () => {}),
    TypeError,
  );
  await assert.rejects(
    encryption(['new', 'a', 'b'], () => {}),
    /takes no b/,
  );
});

test('data keys are wrapped under the first key, once, and stay what they are', async () => {
  const [before, after] = [await newKey('k1'), await newKey('k2')];
  const records = new MemoryDataKeys();
  const clock = { now: () => 0, monotonic: () => 0 };
  const vaultOf = (text: string) =>
    new Vault({ records, wrapper: KeyList.parse(text, 'X'), isOn: true, clock });
  const sealed = (await vaultOf(before).sealer('p', 'r'))?.seal('f', Buffer.from('x'));
  assert.ok(sealed);
  const said: string[] = [];
  const both = KeyList.parse(`${after}\n${before}`, 'X');
  await rewrap(records, both, line => void said.push(line));
  await rewrap(records, both, line => void said.push(line));
  assert.deepEqual(said, [
    '1 data keys wrapped under k2, 0 were already',
    '0 data keys wrapped under k2, 1 were already',
  ]);
  assert.equal(String(await vaultOf(after).open('p', 'r', 'f', sealed)), 'x');
  await assert.rejects(
    rewrap(records, undefined, () => {}),
    TypeError,
  );
});
