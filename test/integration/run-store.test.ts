/** Records of stored runs: made once, withdrawn only while nobody has begun them, kept for as long as they are needed. */
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NewRun, runKey } from '@penstock/protocol';
import { RedisOpenRuns, RedisRunLog, RedisRunStore } from '@penstock/transport';
import { nth, testBacklog, testOpenRuns, testRunLog, testRunStore } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let runs: RedisRunStore;
let log: RedisRunLog;
let open: RedisOpenRuns;
let raw: Redis;
before(async () => {
  redis = await startRedis();
  runs = await RedisRunStore.connect({ url: redis.url, name: 'test' });
  log = await RedisRunLog.connect({ url: redis.url, name: 'test' });
  open = await RedisOpenRuns.connect({ url: redis.url, name: 'test' });
  raw = new Redis(redis.url);
});
after(async () => {
  raw.disconnect();
  await runs.close();
  await log.close();
  await open.close();
  await redis.stop();
});

testRunStore(() => ({ runs, elapse: sleep }));
testBacklog(() => ({ runs, elapse: sleep }));
testRunLog(() => ({ runs, log }));
testOpenRuns(() => ({ runs, open, elapse: sleep }));

const newRun = (id: string, kind: NewRun['kind'] = 'job'): NewRun => ({
  ...{
    id,
    kind,
    detail: '',
    tenant: 't',
    endpoint: 'chat',
    model: 'm',
    slug: 'm',
    address: null,
  },
  ...{ createdAt: 1, deadlineAt: 2 },
});

test('the answer of a line of a batch is kept for as long as the line', async () => {
  const result = { status: 200, contentType: 'application/json', body: Buffer.from('{}'), finishedAt: 1 };
  const end = { status: 'completed', result, log: 'none', last: null } as const;
  for (const [id, kind, most] of [
    ['e', 'job', 5000],
    ['f', 'batch_line', 60_000],
  ] as const) {
    await runs.create(newRun(id, kind), 60_000, null);
    await runs.begin(id, nth(1), 'w');
    await runs.finish(id, nth(1), end, { recordMs: 5000, logMs: 5000 });
    const left = await raw.pttl(runKey(id));
    assert.ok(left <= most && left > most - 4000, `${id} lives ${left} ms`);
  }
  await runs.shorten(['f'], 1000);
  assert.ok((await raw.pttl(runKey('f'))) <= 1000);
});

test('a connection that breaks among the commands of one turn loses none of them', async t => {
  const FIRST = 'cut-1\r\n';
  let cuts = 0;
  // A server in front of Redis that hangs up after the first of several answers.
  const proxy = createServer(client => {
    const server = connect(Number(new URL(redis.url).port), '127.0.0.1');
    const broken = () => void [client.destroy(), server.destroy()];
    for (const socket of [client, server]) socket.on('error', broken).on('close', broken);
    client.pipe(server);
    server.on('data', bytes => {
      const end = bytes.indexOf(FIRST) + FIRST.length;
      if (end < FIRST.length || cuts++ > 0) client.write(bytes);
      else client.end(bytes.subarray(0, end), broken);
    });
  });
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  const store = await RedisRunStore.connect({ url: `redis://127.0.0.1:${port}`, name: 'cut' });
  t.after(async () => {
    await store.close();
    proxy.close();
  });
  await store.create(newRun('cut-0'), 60_000, null);
  const ids = ['cut-1', 'cut-2', 'cut-3', 'cut-4'];
  const done = await Promise.all(ids.map(id => store.create(newRun(id), 60_000, null)));
  assert.deepEqual(
    done.map(each => 'id' in each && each.id),
    ids,
  );
  for (const id of ids) assert.equal((await store.read(id))?.status, 'queued');
  assert.equal(cuts, 1);
});
