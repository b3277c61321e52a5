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
  supervisor.start({
    name: 'short',
    command: process.execPath,
    args: ['-e', 'console.log("ran", process.env.HOME)'],
    env: {},
  });
  supervisor.start({
    name: 'long',
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000)'],
    env: {},
  });
  const pidFile = join(dataDir, 'run', 'long.pid');
  const pid = Number(readFileSync(pidFile, 'utf8'));
  await restarted;
  assert.match(said[0] ?? '', /short ended \(code 0\); starting it again in 1 ms\. Its log: .*short\.log/);
  await supervisor.stop(5000);
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
  assert.ok(!existsSync(pidFile));
  assert.match(readFileSync(supervisor.logFile('short'), 'utf8'), /ran undefined\nran undefined/);
});

test('a command that does not exist is reported like any other end', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-supervisor-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const line = await new Promise<string>(resolve => {
    const supervisor = new Supervisor({ dataDir, say: resolve, firstBackoffMs: 60_000 });
    supervisor.start({ name: 'missing', command: join(dataDir, 'nothing-here'), args: [], env: {} });
    t.after(() => supervisor.stop(100));
  });
  assert.match(line, /missing ended \(.*ENOENT\)/);
});

test('a child that refuses its settings is not started again where that is of no use, and what it said is told', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-supervisor-'));
  const said: string[] = [];
  const refused: string[] = [];
  const ended = Promise.withResolvers<void>();
  const supervisor = new Supervisor({
    ...{ dataDir, firstBackoffMs: 1 },
    say: line => said.push(line),
    onRefused(name, problems) {
      refused.push(`${name}: ${problems.join(', ')}`);
      if (refused.length === 2) ended.resolve();
      // As of a server that may come back.
      return refused.length === 2;
    },
  });
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  t.after(() => supervisor.stop(5000));
  const script =
    'console.error("configuration: PENSTOCK_X: no"); console.log("other"); process.exitCode = 78';
  supervisor.start({ name: 'w-1', command: process.execPath, args: ['-e', script], env: {} });
  await ended.promise;
  assert.deepEqual(refused, ['w-1: PENSTOCK_X: no', 'w-1: PENSTOCK_X: no']);
  assert.deepEqual([said.length, existsSync(join(dataDir, 'run', 'w-1.pid'))], [1, false]);
});

test('a child that is to be started again is ended, and comes back', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-supervisor-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const ended = Promise.withResolvers<string>();
  const supervisor = new Supervisor({ dataDir, firstBackoffMs: 1, say: ended.resolve });
  t.after(() => supervisor.stop(5000));
  supervisor.start({
    name: 'stuck',
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000)'],
    env: {},
  });
  const pidOf = () => Number(readFileSync(join(dataDir, 'run', 'stuck.pid'), 'utf8'));
  const first = pidOf();
  supervisor.restart('nobody');
  supervisor.restart('stuck');
  assert.match(await ended.promise, /stuck ended \(SIGTERM\)/);
  while (!existsSync(join(dataDir, 'run', 'stuck.pid'))) await new Promise(setImmediate);
  assert.notEqual(pidOf(), first);
});
