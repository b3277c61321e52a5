/** What every model registry and every placement store has to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelRegistry } from '../ports/model-registry.ts';
import type { PlacementStore } from '../ports/placement-store.ts';
import { eventually } from './eventually.ts';

export function testModelRegistry(subject: () => ModelRegistry): void {
  test('models announced by any worker are listed, as they were announced last', async () => {
    const registry = subject();
    await registry.announce('eu', 'a', Buffer.from('0'));
    await registry.announce('eu', 'a', Buffer.from('1'));
    await registry.announce('eu', 'b', Buffer.from('2'));
    await registry.announce('us', 'c', Buffer.from('3'));
    const texts = (await registry.list('eu')).map(bytes => Buffer.from(bytes).toString());
    assert.deepEqual(texts.sort(), ['1', '2']);
    assert.deepEqual(await registry.list('nowhere'), []);
  });
}

export function testPlacementStore(subject: () => PlacementStore): void {
  test('the owners of a prefix are found in the order in which they were learned', async () => {
    const store = subject();
    store.learn([
      { prefix: 'p1', owners: ['w-2', 'w-1'] },
      { prefix: 'p2', owners: ['w-3'] },
    ]);
    await eventually(async () => (await store.lookup(['p2']))[0]?.length === 1);
    assert.deepEqual(await store.lookup(['p1', 'unknown', 'p2']), [['w-2', 'w-1'], [], ['w-3']]);
  });
}
