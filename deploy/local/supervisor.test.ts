import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Supervisor } from './supervisor.ts';

test('a child that ends is started again; stopping ends all and removes the pid files', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-supervisor-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const said: string[] = [];
  let again = () => {};
  const restarted = new Promise<void>(resolve => {
    again = resolve;
  });
  const supervisor = new Supervisor({
    dataDir,
    firstBackoffMs: 1,
    say: line => {
      if (said.push(line) === 2) again();
    },
  });
  supervisor.start({ name: 'short', command: process.execPath, args: ['-e', 'console.log("ran")'] });
  supervisor.start({ name: 'long', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] });
  const pidFile = join(dataDir, 'run', 'long.pid');
  const pid = Number(readFileSync(pidFile, 'utf8'));
  await restarted;
  assert.match(said[0] ?? '', /short ended \(code 0\); starting it again in 1 ms\. Its log: .*short\.log/);
  await supervisor.stop(5000);
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
  assert.ok(!existsSync(pidFile));
  assert.match(readFileSync(supervisor.logFile('short'), 'utf8'), /ran\nran/);
});

test('a command that does not exist is reported like any other end', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-supervisor-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const line = await new Promise<string>(resolve => {
    const supervisor = new Supervisor({ dataDir, say: resolve, firstBackoffMs: 60_000 });
    supervisor.start({ name: 'missing', command: join(dataDir, 'nothing-here'), args: [] });
    t.after(() => supervisor.stop(100));
  });
  assert.match(line, /missing ended \(.*ENOENT\)/);
});
