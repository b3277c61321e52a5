import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrefixCache } from './prefix-cache.ts';

const chain = (...keys: number[]) => ({ keys, tokensPerBlock: 16 });

test('what was used longest ago goes first, and of a chain the tail', () => {
  const cache = new PrefixCache(4 * 16);
  cache.insert(chain(1, 2));
  cache.insert(chain(10, 11));
  assert.equal(cache.match(chain(1, 2, 3)), 32);
  cache.insert(chain(20));
  assert.equal(cache.peek(chain(10, 11)), 16);
  assert.equal(cache.peek(chain(1, 2)), 32);
  assert.equal(cache.tokens, 64);
});

test('of a chain longer than the cache the head stays', () => {
  const cache = new PrefixCache(2 * 16);
  cache.insert(chain(1, 2, 3, 4));
  assert.equal(cache.match(chain(1, 2, 3, 4)), 32);
  cache.insert(chain(1, 2, 3, 4));
  assert.equal(cache.match(chain(1, 2, 3, 4)), 32);
});

/** Every use moves every block, whether it is young already or not. */
class PlainCache {
  readonly #capacity: number;
  #blocks: number[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  match(keys: readonly number[]): number {
    const missing = keys.findIndex(key => !this.#blocks.includes(key));
    const hits = missing < 0 ? keys.length : missing;
    this.#use(keys.slice(0, hits));
    return hits;
  }

  insert(keys: readonly number[]): void {
    this.#use(keys);
    this.#blocks = this.#blocks.slice(-this.#capacity);
  }

  #use(keys: readonly number[]): void {
    this.#blocks = [...this.#blocks.filter(key => !keys.includes(key)), ...keys.toReversed()];
  }
}

test('it keeps what a plain list would keep', () => {
  let seed = 1;
  const draw = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (const capacity of [3, 8, 20]) {
    const [cache, plain] = [new PrefixCache(capacity * 16), new PlainCache(capacity)];
    for (let i = 0; i < 2000; i++) {
      // Four beginnings, each with two ways to go on.
      const [start, turn] = [draw(4) * 100, draw(2) * 50];
      const keys = Array.from({ length: 1 + draw(7) }, (_, k) => start + k + (k < 3 ? 0 : turn));
      if (draw(2) === 0) assert.equal(cache.match(chain(...keys)), 16 * plain.match(keys));
      else {
        cache.insert(chain(...keys));
        plain.insert(keys);
      }
    }
  }
});
