import assert from 'node:assert/strict';
import { mkdtempDisposableSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig } from '@penstock/runtime';
import { startConfig } from '../config.ts';
import { NATS_CIPHER, writeNatsCipher } from './nats-cipher.ts';

const OTHER = 'another key of the store';

function world() {
  const dir = mkdtempDisposableSync(join(tmpdir(), 'penstock-cipher-'));
  return {
    dir,
    write(env: Record<string, string>) {
      writeNatsCipher(dir.path, readConfig(startConfig, env));
      return readFileSync(join(dir.path, NATS_CIPHER), 'utf8');
    },
  };
}

test('NATS gets a key that is made once, for its owner alone; without the setting it gets none', () => {
  const { dir, write } = world();
  using _ = dir;
  assert.equal(write({}), '');
  const first = write({ PENSTOCK_NATS_CIPHER: 'aes' });
  assert.match(first, /^cipher: aes\nkey: "cipher-[0-9a-f]{48}"\n$/);
  assert.equal(write({ PENSTOCK_NATS_CIPHER: 'aes' }), first);
  for (const name of [NATS_CIPHER, 'nats-cipher-key'])
    assert.equal(statSync(join(dir.path, name)).mode & 0o777, 0o600, name);
});

test('a store that is encrypted is started neither without its key nor with another', () => {
  const { dir, write } = world();
  using _ = dir;
  const given = { PENSTOCK_NATS_CIPHER: 'aes', PENSTOCK_NATS_CIPHER_KEY: 'a key from elsewhere' };
  assert.match(write(given), /key: "a key from elsewhere"/);
  assert.throws(() => write({}), /is encrypted: set PENSTOCK_NATS_CIPHER=aes/);
  assert.throws(() => write({ ...given, PENSTOCK_NATS_CIPHER_KEY: OTHER }), /encrypted with another key/);
  assert.throws(() => write({ PENSTOCK_NATS_CIPHER: 'aes' }), /encrypted with another key/);
  assert.match(write(given), /elsewhere/);
});

test('a key without the setting, and one that a configuration could not hold, are refused', () => {
  const { dir, write } = world();
  using _ = dir;
  assert.throws(() => write({ PENSTOCK_NATS_CIPHER_KEY: OTHER }), /PENSTOCK_NATS_CIPHER is not/);
  for (const key of ['short', 'with "quotes" in it', 'over\ntwo lines of it'])
    assert.throws(
      () => write({ PENSTOCK_NATS_CIPHER: 'aes', PENSTOCK_NATS_CIPHER_KEY: key }),
      /16 characters/,
    );
});
