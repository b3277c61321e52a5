import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FullDisk, freeBytes } from './full-disk.ts';

const FULL =
  "[ERR] JetStream failed to store a msg on stream '$G > WORK_local_0': write /data/1.blk: no space left on device\n";

test('a server whose disk was full is started again, once there is room', t => {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-full-disk-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const logFile = join(dir, 'nats.log');
  // As of an earlier start.
  writeFileSync(logFile, FULL);
  const said: string[] = [];
  let free = 0;
  const disk = new FullDisk({
    ...{ logFile, say: line => said.push(line), free: () => free },
    restart: () => said.push('restart'),
  });
  disk.look();
  assert.deepEqual(said, []);
  appendFileSync(logFile, FULL + FULL);
  disk.look();
  appendFileSync(logFile, FULL);
  disk.look();
  assert.equal(said.length, 1);
  free = 100e6;
  disk.look();
  disk.look();
  assert.deepEqual([said.length, said.at(-1)], [3, 'restart']);
  // Its log was begun anew at its start.
  writeFileSync(logFile, '[INF] Server is ready\n');
  disk.look();
  appendFileSync(logFile, FULL);
  disk.look();
  assert.equal(said.filter(line => line === 'restart').length, 2);
  assert.ok(freeBytes(dir) > 0);
});
