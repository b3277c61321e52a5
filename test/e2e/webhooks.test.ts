/** Webhooks from the end of a piece of work to a receiver on loopback, verified by the official client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toSecret } from '@penstock/protocol';
import OpenAI from 'openai';
import { firstThen, type Received, startReceiver } from '../../testkit/receiver.ts';
import { API_KEY, chat, post, startStack, waitFor } from '../../testkit/stack.ts';

const OPERATOR_SECRET = toSecret(Buffer.alloc(32, 9));
const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };

interface Shown {
  id: string;
  status: string;
  disabled_reason: string | null;
  signing_secret: string;
  consecutive_failures: number;
}
interface DeliveryShown {
  id: string;
  status: string;
  event_id: string;
  attempts: { attempt: number; status_code: number | null; error: string | null }[];
}

test('webhooks', async t => {
  await using receiver = await startReceiver();
  const operators = [{ api_key: API_KEY, url: `${receiver.url}/operator`, secret: OPERATOR_SECRET }];
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100', timeScale: 20, listSentinels: true }],
    ingressEnv: ALLOW,
    tasksEnv: {
      ...ALLOW,
      PENSTOCK_WEBHOOKS: JSON.stringify(operators),
      PENSTOCK_WEBHOOK_SCHEDULE_SCALE: '0.01',
      PENSTOCK_WEBHOOK_TIMEOUT_MS: '1000',
    },
  });
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0 });

  const create = async (path: string, types: readonly string[] = ['job.completed']): Promise<Shown> => {
    const body = { url: receiver.url + path, name: path, event_types: types as 'batch.completed'[] };
    return (await client.webhooks.create(body)) as unknown as Shown;
  };
  const job = async (text = 'hi') => {
    const answer = await post(stack, '/v1/chat/completions', chat(text, { max_tokens: 2 }), {
      headers: { prefer: 'respond-async' },
    });
    return ((await answer.json()) as { id: string }).id;
  };
  const response = (more: object = {}) =>
    client.responses.create({ model: 'sim-chat', input: 'hi', background: true, ...more });
  const endpoint = async (id: string) => (await client.webhooks.retrieve(id)) as unknown as Shown;
  const deliveries = async (id: string) =>
    (await client.get<{ data: DeliveryShown[] }>(`/webhook_endpoints/${id}/deliveries`)).data;
  const unwrap = (received: Received | undefined, secret: string) =>
    client.webhooks.unwrap(received?.body ?? '', received?.headers ?? {}, secret);
  const arrived = (path: string, count = 1) => waitFor(() => receiver.to(path).length >= count);

  await t.test('every way in which work ends makes one event, with the id that its API uses', async () => {
    const all = await create('/all', [
      ...['response.completed', 'response.failed', 'response.cancelled', 'response.incomplete'],
      ...['job.completed', 'job.failed', 'job.cancelled', 'batch.completed', 'batch.failed'],
    ]);
    const ends = new Map<string, string>();
    ends.set((await response()).id, 'response.completed');
    ends.set((await response({ max_output_tokens: 16 })).id, 'response.incomplete');
    ends.set((await response({ model: 'sim-400' })).id, 'response.failed');
    const slow = await response({ model: 'sim-hang' });
    await client.responses.cancel(slow.id);
    ends.set(slow.id, 'response.cancelled');
    ends.set(await job(), 'job.completed');
    const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: chat('x') };
    for (const [text, end] of [
      [JSON.stringify(line), 'batch.completed'],
      ['no json', 'batch.failed'],
    ] as const) {
      const file = await client.files.create({ file: new File([text], 'in.jsonl'), purpose: 'batch' });
      const batch = await client.batches.create({
        ...{ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' },
      });
      ends.set(batch.id, end);
    }
    await client.responses.create({ model: 'sim-chat', input: 'in the foreground' });
    await arrived('/all', ends.size);
    const told = new Map(receiver.to('/all').map(({ event }) => [event.data.id, event.type]));
    assert.deepEqual([...told].sort(), [...ends].sort());
    for (const each of receiver.to('/all')) {
      assert.equal((await unwrap(each, all.signing_secret)).id, each.headers['webhook-id']);
      assert.ok(each.body.length < 20_000);
    }
    assert.equal(receiver.to('/all').length, ends.size);
  });

  await t.test('what the operator set up gets its events and can only be switched', async () => {
    await arrived('/operator');
    assert.ok(await unwrap(receiver.to('/operator')[0], OPERATOR_SECRET));
    const own = (await client.webhooks.list()).data.find(each => each.name === 'operator');
    assert.ok(own);
    await assert.rejects(client.webhooks.delete(own.id), /The operator configured this endpoint/);
    const off = await client.post<Shown>(`/webhook_endpoints/${own.id}`, {
      body: { status: 'disabled' },
    });
    assert.deepEqual([off.status, off.disabled_reason], ['disabled', 'by_request']);
  });

  await t.test('a receiver that answers 500, then 200, gets the event twice under one id', async () => {
    receiver.behave('/500', firstThen(500));
    const { id, signing_secret: secret } = await create('/500');
    await job();
    await arrived('/500', 2);
    const [first, second] = receiver.to('/500');
    assert.equal(first?.headers['webhook-id'], second?.headers['webhook-id']);
    assert.equal(first?.body, second?.body);
    assert.ok(await unwrap(second, secret));
    await waitFor(async () => (await deliveries(id))[0]?.status === 'delivered');
    const [delivery] = await deliveries(id);
    assert.deepEqual(
      delivery?.attempts.map(({ attempt, status_code, error }) => [attempt, status_code, error]),
      [
        [1, 500, 'refused'],
        [2, 200, null],
      ],
    );
    assert.equal((await endpoint(id)).consecutive_failures, 0);
  });

  await t.test('a receiver that hangs is a failure, and holds up nobody else', async () => {
    receiver.behave('/hang', () => {});
    const hanging = await create('/hang');
    const healthy = await create('/healthy');
    await Promise.all(Array.from({ length: 30 }, () => job()));
    await arrived('/healthy', 30);
    await client.webhooks.delete(healthy.id);
    const [delivery] = await deliveries(hanging.id);
    await waitFor(async () =>
      (await deliveries(hanging.id)).some(each => each.attempts[0]?.error === 'timeout'),
    );
    await client.webhooks.delete(hanging.id);
    assert.ok(delivery);
  });

  await t.test('a redirect is a failure and is not followed', async () => {
    receiver.behave('/redirect', firstThen(307, 200, { location: `${receiver.url}/elsewhere` }));
    const { id } = await create('/redirect');
    await job();
    await arrived('/redirect', 2);
    assert.equal(receiver.to('/elsewhere').length, 0);
    const [delivery] = await deliveries(id);
    assert.deepEqual([delivery?.attempts[0]?.status_code, delivery?.attempts[0]?.error], [307, 'redirected']);
  });

  await t.test('410 switches the endpoint off', async () => {
    receiver.behave('/410', firstThen(410));
    const { id } = await create('/410');
    await job();
    await waitFor(async () => (await endpoint(id)).status === 'disabled');
    assert.equal((await endpoint(id)).disabled_reason, 'gone');
    await create('/beside410');
    await job();
    await arrived('/beside410');
    assert.equal(receiver.to('/410').length, 1);
    const on = await client.post<Shown>(`/webhook_endpoints/${id}`, { body: { status: 'enabled' } });
    assert.equal(on.status, 'enabled');
    await job();
    await arrived('/410', 2);
  });

  await t.test('a rotated secret: both sign while the old one is kept, then the new one alone', async () => {
    const { id, signing_secret: old } = await create('/rotated');
    const kept = (await client.webhooks.rotateSecret(id, {
      keep_old_secret_active_for_24_hours: true,
    })) as unknown as Shown;
    await job();
    await arrived('/rotated');
    const [first] = receiver.to('/rotated');
    assert.equal(first?.headers['webhook-signature']?.split(' ').length, 2);
    for (const secret of [old, kept.signing_secret]) assert.ok(await unwrap(first, secret));
    const last = (await client.webhooks.rotateSecret(id)) as unknown as Shown;
    await job();
    await arrived('/rotated', 2);
    const second = receiver.to('/rotated')[1];
    assert.ok(await unwrap(second, last.signing_secret));
    for (const secret of [old, kept.signing_secret])
      await assert.rejects(unwrap(second, secret), /does not match/);
  });

  await t.test('429 with Retry-After rests the endpoint for that long, other events too', async () => {
    receiver.behave('/429', firstThen(429, 200, { 'retry-after': '2' }));
    const { id } = await create('/429');
    await job();
    await arrived('/429');
    const refusedAt = receiver.to('/429')[0]?.at ?? 0;
    await waitFor(async () => (await endpoint(id)).consecutive_failures === 1);
    await job();
    await arrived('/429', 3);
    for (const { at } of receiver.to('/429').slice(1))
      assert.ok(at - refusedAt >= 1900, `${at - refusedAt} ms`);
    await waitFor(async () => (await deliveries(id)).every(each => each.status === 'delivered'));
  });

  await t.test('a test call says how it went; a redelivery has the same id', async () => {
    const { id, signing_secret: secret } = await create('/test', ['batch.expired']);
    receiver.behave('/test', firstThen(418));
    const result = await client.webhooks.test(id, { event_type: 'batch.completed' });
    assert.deepEqual(
      [result.object, result.success, result.status_code],
      ['webhook_endpoint.test', true, 418],
    );
    assert.equal((await deliveries(id))[0]?.attempts[0]?.status_code, 418);
    const [tried] = receiver.to('/test');
    assert.equal((await unwrap(tried, secret)).type, 'batch.completed');
    await create('/again');
    await job();
    await arrived('/again');
    const again = (await client.webhooks.list()).data.find(each => each.name === '/again')?.id ?? '';
    await waitFor(async () => (await deliveries(again))[0]?.status === 'delivered');
    const [delivery] = await deliveries(again);
    await client.post(`/webhook_endpoints/${again}/deliveries/${delivery?.id}/redeliver`);
    await arrived('/again', 2);
    const ids = receiver.to('/again').map(each => each.headers['webhook-id']);
    assert.deepEqual(ids, [delivery?.event_id, delivery?.event_id]);
  });
});
