/** Processes that start before the servers they need, under a name that is taken, or with settings unlike those of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNats } from '../../testkit/nats.ts';
import { freePort } from '../../testkit/ports.ts';
import { startService } from '../../testkit/process.ts';
import { startRedis } from '../../testkit/redis.ts';
import { API_KEY, startStack, waitFor } from '../../testkit/stack.ts';

test('a process waits for NATS and Redis, says so, and can be ended meanwhile', async t => {
  const nats = await startNats();
  t.after(() => nats.stop());
  const redis = await startRedis();
  t.after(() => redis.stop());
  await Promise.all([nats.kill(), redis.kill()]);
  const start = async (readyWhen: (line: string) => boolean) => {
    const env = {
      ...{ PENSTOCK_NATS_URL: nats.url, PENSTOCK_REDIS_URL: redis.url, PENSTOCK_API_KEYS: API_KEY },
      PENSTOCK_PORT: String(await freePort()),
    };
    const service = await startService('ingress', env, { readyWhen });
    t.after(() => service.stop());
    return service;
  };
  const isWaiting = (what: string) => (line: string) => line.includes(`"waiting for ${what}: `);
  const [ended, waiting] = await Promise.all([start(isWaiting('NATS')), start(isWaiting('NATS'))]);
  ended.kill('SIGTERM');
  await ended.exited;
  assert.ok(ended.output.some(line => line.includes('"stopping"')));
  await nats.start();
  await waitFor(() => waiting.output.some(isWaiting('Redis')));
  await redis.start();
  await waitFor(() => waiting.output.some(line => line.includes('ingress listening')));
  const said = [...ended.output, ...waiting.output];
  assert.deepEqual(
    said.filter(line => /^\s+at /.test(line)),
    [],
    'no stack trace',
  );
});

test('a name that is taken is refused, that of a killed process is not; settings unlike others’ are told', async () => {
  await using stack = await startStack({ engines: [{}], ingressEnv: { PENSTOCK_ACK_WAIT_MS: '9000' } });
  await assert.rejects(
    stack.addIngress('in-1'),
    /ended with code 78\n(.*\n)*configuration: PENSTOCK_INGRESS_ID: another process has this name \(process \d+ on /,
  );
  const told = 'PENSTOCK_ACK_WAIT_MS is 10000 here and 9000 at in-1';
  await waitFor(() => stack.workers[0]?.output.some(line => line.includes(told)) === true);
  stack.ingress.kill('SIGKILL');
  await stack.ingress.exited;
  await stack.startIngress();
});
