import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { keyOf, roomTrouble, takeDataDir } from './data-dir.ts';

function tempDir(t: { after(run: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-data-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a directory owned by a living process is refused by name', t => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'lock'), `${process.ppid}\n`);
  assert.throws(() => takeDataDir(dir), /in use by process \d+: .*PENSTOCK_DATA_DIR/);
});

test('a lock of a process that is gone is taken over', t => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'lock'), '999999999\n');
  takeDataDir(dir).release();
});

test('a start that dies while it takes the directory leaves no lock without an owner', t => {
  const dir = tempDir(t);
  const run = `import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'data-dir.ts')).href)})
    .then(({ takeDataDir }) => takeDataDir(${JSON.stringify(dir)}))`;
  // No file may have content: what is created stays empty.
  const env = { ...process.env, NODE_COMPILE_CACHE: '', NODE_TEST_CONTEXT: '', NODE_OPTIONS: '' };
  const shell = spawnSync('sh', ['-c', 'ulimit -f 0 && exec "$0" -e "$1"', process.execPath, run], { env });
  assert.notEqual(shell.status, 0);
  assert.equal(existsSync(join(dir, 'lock')), false);
  takeDataDir(dir).release();
  assert.equal(existsSync(join(dir, 'lock')), false);
});

test('a lock that another process has by now is not removed', t => {
  const dir = tempDir(t);
  const { release } = takeDataDir(dir);
  writeFileSync(join(dir, 'lock'), `${process.ppid}\n`);
  release();
  assert.equal(existsSync(join(dir, 'lock')), true);
});

test('a file in place of the directory is refused', t => {
  const file = join(tempDir(t), 'file');
  writeFileSync(file, '');
  assert.throws(() => takeDataDir(file), /choose another directory with PENSTOCK_DATA_DIR/);
});

test('a place that holds no directories is refused, and directories in between are made', t => {
  assert.throws(() => takeDataDir('/proc/penstock/data'), /choose another directory with PENSTOCK_DATA_DIR/);
  takeDataDir(join(tempDir(t), 'a/b/c')).release();
});

test('each key is made once and readable by its owner only', t => {
  const dir = tempDir(t);
  for (const name of ['api-key', 'admin-key'] as const) {
    const key = keyOf(dir, name, undefined);
    assert.equal(keyOf(dir, name, undefined), key);
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
    assert.equal(keyOf(dir, name, 'given-key'), 'given-key');
  }
  assert.notEqual(keyOf(dir, 'api-key', undefined), keyOf(dir, 'admin-key', undefined));
});

test('a full disk is told in one line with the remedy, and no other error is taken for one', () => {
  // A device that is always full.
  const full = (): unknown => {
    try {
      writeFileSync('/dev/full', 'x');
    } catch (err) {
      return err;
    }
    return null;
  };
  assert.match(String(roomTrouble(full())), /no room is left on the disk \(ENOSPC\): .*PENSTOCK_DATA_DIR/);
  assert.equal(roomTrouble(new Error('another')), null);
  assert.equal(roomTrouble(Object.assign(new Error('x'), { code: 'EACCES' })), null);
});

test('a directory of an earlier release is taken over: what is in it stays, and is its owner’s alone', t => {
  const dir = tempDir(t);
  const before = process.umask(0o022);
  t.after(() => process.umask(before));
  mkdirSync(join(dir, 'nats/stream'), { recursive: true });
  writeFileSync(join(dir, 'nats/stream/1.blk'), 'kept');
  writeFileSync(join(dir, 'api-key'), 'sk-kept\n');
  chmodSync(dir, 0o755);
  takeDataDir(dir).release();
  const modes = ['', 'nats', 'nats/stream', 'nats/stream/1.blk', 'api-key'].map(
    name => statSync(join(dir, name)).mode & 0o777,
  );
  assert.deepEqual(modes, [0o700, 0o700, 0o700, 0o600, 0o600]);
  assert.equal(readFileSync(join(dir, 'nats/stream/1.blk'), 'utf8'), 'kept');
  assert.equal(keyOf(dir, 'api-key', undefined), 'sk-kept');
});
