import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMemoryIngress } from '../ingress.fixture.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const RERANK = { model: 'm', query: 'q', documents: ['d'] };

test('who has just started says "not yet" of models and endpoints, and "no" once every worker must have been heard', async () => {
  await using ingress = await startMemoryIngress({}, false);
  const { call, beat, pass } = ingress;
  const ask = async (...asked: Parameters<typeof call>) => {
    const { statusCode, headers, body } = await call(...asked);
    const { error = null } = JSON.parse(body);
    // Clients are told pauses of different lengths, up to twice as long.
    const pause = Number(headers['retry-after'] ?? 0);
    return [statusCode, error?.code ?? null, pause >= 3 && pause <= 6 ? 'for 3 s or more' : pause];
  };
  const notYet = [503, 'workers_not_known', 'for 3 s or more'];
  const asked: Parameters<typeof call>[] = [
    ['POST', '/v1/chat/completions', CHAT],
    ['POST', '/v1/chat/completions', CHAT, { prefer: 'respond-async' }],
    ['POST', '/v1/responses', { model: 'm', input: 'Hello', background: true }],
    ['GET', '/v1/models'],
    ['GET', '/v1/models/m'],
  ];
  for (const each of asked) assert.deepEqual(await ask(...each), notYet, each.join(' '));
  assert.deepEqual((await ask('GET', '/readyz'))[0], 503);
  beat();
  assert.deepEqual((await ask('GET', '/readyz'))[0], 200);
  assert.deepEqual(await ask('GET', '/v1/models/m'), [200, null, 0]);
  const others: typeof asked = [
    ['POST', '/v1/chat/completions', { ...CHAT, model: 'other' }],
    ['GET', '/v1/models/other'],
    ['POST', '/v1/rerank', RERANK],
  ];
  for (const each of others) assert.deepEqual(await ask(...each), notYet, 'the next worker may have it');
  pass(2000);
  const [, code, pause] = await ask('POST', '/v1/rerank', RERANK);
  assert.ok(code === 'workers_not_known' && Number(pause) <= 2, `${code}, ${pause}`);
  pass(1000);
  const codes = await Promise.all(others.map(each => ask(...each)));
  assert.deepEqual(codes, [
    [404, 'model_not_found', 0],
    [404, 'model_not_found', 0],
    [404, 'endpoint_not_found', 0],
  ]);
});

test('a region without workers is told as such once it is known', async () => {
  await using ingress = await startMemoryIngress({}, false);
  ingress.pass(3000);
  assert.equal((await ingress.call('GET', '/readyz')).statusCode, 200);
  assert.deepEqual(JSON.parse((await ingress.call('GET', '/v1/models')).body).data, []);
});
