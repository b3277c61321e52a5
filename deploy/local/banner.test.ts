import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { styleText } from 'node:util';
import { banner } from './banner.ts';

const PLACES = {
  url: 'http://127.0.0.1:8080',
  console: 'http://127.0.0.1:8090',
  keys: { api: 'sk-1', admin: 'admin-1' },
  model: 'sim-chat',
  isSimulated: true,
  dataDir: '/srv/penstock',
};

test('what is printed in colour is the same text', () => {
  const colour = banner(PLACES, (style, text) => styleText(style, text, { validateStream: false }));
  const plain = banner(PLACES, (_, text) => text);
  assert.notEqual(colour, plain);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  assert.equal(colour.replaceAll(/\x1b\[\d+m/g, ''), plain);
});

test('the command that kills a worker finds its file in a directory of any name', t => {
  const dataDir = mkdtempSync(join(tmpdir(), "it's a directory-"));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const path = join(dataDir, 'run');
  spawnSync('mkdir', [path]);
  writeFileSync(join(path, 'worker-1.pid'), '4711\n');
  const command = /kill -9 (.*)/.exec(banner({ ...PLACES, dataDir }, (_, text) => text))?.[1] ?? '';
  const said = spawnSync('sh', ['-c', `echo ${command}`], { encoding: 'utf8' });
  assert.equal(said.stdout, '4711\n');
});

test('the answer to try is long enough to be interrupted, and shows whom to kill', () => {
  const text = banner(PLACES, (_, words) => words);
  assert.match(text, /curl -iN .*\n[\s\S]*"max_tokens":4000[\s\S]*x-penstock-worker[\s\S]*worker-1\.pid/);
  const own = banner({ ...PLACES, isSimulated: false }, (_, words) => words);
  assert.match(own, /"max_tokens":1500/);
});
