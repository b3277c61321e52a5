import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readScript } from './scripts.ts';

const FOLDER = join(import.meta.dirname, 'scripts');
const names = globSync('*/*.lua', { cwd: FOLDER })
  .map(path => path.slice(0, -'.lua'.length))
  .filter(name => !name.startsWith('include/'));

test('every script says what it is given, what it returns and who calls it', () => {
  assert.ok(names.length > 0);
  for (const name of names) {
    const { lua } = readScript(name);
    for (const line of ['-- KEYS: ', '-- ARGV: ', '-- Returns: ', '-- Called '])
      assert.ok(lua.includes(`\n${line}`), `${name} lacks ${line}`);
  }
});

test('every script names as many keys as it uses', () => {
  for (const name of names) {
    const { lua, numberOfKeys } = readScript(name);
    const used = [...lua.matchAll(/KEYS\[(\d+)\]/g)].map(match => Number(match[1]));
    assert.equal(numberOfKeys, Math.max(...used), name);
  }
});

test('what a script includes comes before it, once, and behind what it includes itself', () => {
  const { lua } = readScript('runs/finish');
  const order = [
    "local WEBHOOK_LIST_PREFIX = 'penstock:",
    'function add_event',
    'function announce_run',
    'function final',
  ];
  const places = order.map(part => lua.indexOf(part));
  assert.ok(
    places.every(place => place >= 0),
    String(places),
  );
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  assert.equal(lua.split('function add_event').length, 2);
});
