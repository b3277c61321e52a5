/** The audit log on a real Redis, and the command that says whether it is whole. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { type AuditEntry, type ChainEnd, verifyChain } from '@penstock/protocol';
import { RedisAuditLog } from '@penstock/transport';
import { testAuditLog } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

const redis = await startRedis();
const admin = new Redis(redis.url);
const opened: RedisAuditLog[] = [];
after(async () => {
  admin.disconnect();
  for (const log of opened) await log.close();
  await redis.stop();
});

const DAY_MS = 86_400_000;
let regions = 0;
/** @param most and `days`: see {@link RedisAuditLog}. */
async function open(region = `r${++regions}`, most = 5000, days = 10) {
  const ends: ChainEnd[] = [];
  const about = { region, days, most, onEnd: (end: ChainEnd) => void ends.push(end) };
  const log = await RedisAuditLog.connect({ url: redis.url, name: 'test' }, about);
  opened.push(log);
  return { log, region, ends };
}

function entry(n: number, at = 100 * DAY_MS): AuditEntry {
  return { at, who: 'key_1', action: 'worker.drain', targets: [`w-${n}`], reason: 'kernel' };
}

suite('on Redis', () => {
  testAuditLog(async () => {
    const { log, region } = await open();
    return [log, (await open(region)).log];
  });
});

test('what is too old or too much is given up, and the rest is whole from there on', async () => {
  const { log, region } = await open(undefined, 5);
  for (let n = 1; n <= 3; n++) await log.add(entry(n, n * DAY_MS));
  await log.add(entry(4, 12.5 * DAY_MS));
  const held = async () => (await log.list(10)).map(({ targets }) => targets[0]);
  assert.deepEqual(await held(), ['w-4', 'w-3'], 'ten days');
  for (let n = 5; n <= 9; n++) await log.add(entry(n, 12.5 * DAY_MS));
  assert.equal((await held()).length, 5);
  const { lines, start, end } = await log.chain();
  assert.deepEqual(verifyChain(lines, start, end).flaws, []);
  assert.deepEqual([start.seq, end.seq], [4, 9]);
  await admin.lpush(`penstock:audit:${region}`, JSON.stringify(entry(0)));
  assert.deepEqual((await held()).at(-1), 'w-0', 'what an earlier version wrote is listed behind it');
});

async function run(region: string, ...args: string[]) {
  const env = { ...process.env, PENSTOCK_REDIS_URL: redis.url, PENSTOCK_REGION: region };
  const ran = await promisify(execFile)(process.execPath, ['deploy/admin/main.ts', 'audit', ...args], {
    env,
  }).catch((err: { stdout: string; code: number }) => err);
  return { said: ran.stdout.trim().split('\n'), code: 'code' in ran ? ran.code : 0 };
}

test('the command says that it is whole, or what was done to it and where; an export can be verified elsewhere', async () => {
  const { log, region, ends } = await open();
  for (let n = 1; n <= 5; n++) await log.add(entry(n));
  const { seq, hash } = ends.at(-1) ?? assert.fail();
  const whole = await run(region, 'verify', '--end', `${seq}:${hash}`);
  assert.deepEqual(whole, { said: [`whole: 5 entries, up to ${seq}:${hash}`], code: 0 });
  const key = `penstock:audit:${region}:lines`;
  const lines = await admin.lrange(key, 0, -1);
  assert.deepEqual((await run(region, 'export')).said, lines);
  await admin.lset(key, 1, (lines[1] ?? '').replace('w-2', 'w-7'));
  const changed = await run(region, 'verify');
  assert.deepEqual([changed.said[0], changed.code], ['line 2: entry 2 was changed', 1]);
  await admin.lset(key, 1, lines[1] ?? '');
  // Who can write Redis can cut off the end of the log and what it says of its end; not what was logged elsewhere.
  await admin.rpop(key);
  assert.match(
    (await run(region, 'verify')).said[0] ?? '',
    /^line 5: cut off: entries after 4 are missing, up to 5$/,
  );
  const fourth = JSON.parse(lines[3] ?? '') as { seq: number; hash: string };
  await admin.hset(`penstock:audit:${region}:ends`, 'seq', fourth.seq, 'hash', fourth.hash);
  assert.equal((await run(region, 'verify')).code, 0);
  assert.equal((await run(region, 'verify', '--end', `${seq}:${hash}`)).code, 1);
});
