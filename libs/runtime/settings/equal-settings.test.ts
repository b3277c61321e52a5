import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { equalSettings } from './equal-settings.ts';

test('the settings are those that say so, short values as they are, others as digests', () => {
  const schema = z.object({
    OWN: z.string().describe('Mine.'),
    WAIT: z.number().describe('A lease. Must be the same at all ingress nodes and workers.'),
    NAMES: z.any().describe('Names. Must be the same in all processes of the region.'),
  });
  const read = (names: unknown) => equalSettings(schema, { OWN: 'x', WAIT: 7, NAMES: names });
  const one = read(
    new Map([
      ['a', 'b'],
      ['c', 'd'],
    ]),
  );
  assert.deepEqual(Object.keys(one), ['WAIT', 'NAMES']);
  assert.equal(one['WAIT'], '7');
  assert.match(one['NAMES'] ?? '', /^#[0-9a-f]{12}$/);
  assert.deepEqual(
    read(
      new Map([
        ['c', 'd'],
        ['a', 'b'],
      ]),
    ),
    one,
    'their order means nothing',
  );
  assert.notDeepEqual(read(new Map([['a', 'b']])), one);
  assert.equal(read('short')['NAMES'], 'short');
});
