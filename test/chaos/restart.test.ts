/**
 * Background responses and a batch, while every process and both servers are killed and started again: everything accepted is
 * answered once, nothing runs twice but what was cut, and every webhook comes with one id an event. `npm run chaos` runs it with
 * 2,000 responses and 5,000 lines; `npm test` with less.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { batchesOf } from '../../testkit/batches.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { API_KEY, startStack, waitFor } from '../../testkit/stack.ts';
import { killAll, victimsOf } from './kills.ts';
import { checkRuns } from './runs.ts';
import { askAll, beginBatch, checkBatch, checkResponses, hashOf, lineQuestion } from './work.ts';

const FULL = process.env['PENSTOCK_CHAOS'] === 'full';
const SIZE = FULL
  ? { responses: 2000, lines: 5000, slots: 32, leaseMs: 10_000 }
  : { responses: 100, lines: 200, slots: 6, leaseMs: 3000 };
const LIMIT_MS = FULL ? 300_000 : 60_000;
const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
const FINAL = ['response.completed', 'response.failed', 'response.incomplete', 'response.cancelled'] as const;

test(`${SIZE.responses} responses and ${SIZE.lines} lines survive the restart of everything`, async t => {
  await using receiver = await startReceiver();
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    ingressEnv: ALLOW,
    leaseMs: SIZE.leaseMs,
    workerEnv: { PENSTOCK_SLOTS: String(SIZE.slots) },
    tasksEnv: { ...ALLOW, PENSTOCK_WEBHOOK_SCHEDULE_SCALE: '0.1' },
  });
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 5 });
  const secret = (
    (await client.webhooks.create({
      ...{ url: `${receiver.url}/events`, name: 'restart', event_types: [...FINAL, 'batch.completed'] },
    })) as unknown as { signing_secret: string }
  ).signing_secret;
  const total = SIZE.responses + SIZE.lines;
  const share = () => stack.engines.reduce((sum, engine) => sum + engine.stats().finished, 0) / total;
  const startedAt = performance.now();

  const batch = await beginBatch(client, SIZE.lines);
  const victims = victimsOf(stack).length;
  const [accepted, kills] = await Promise.all([
    // Questions are asked until most is done, so that some meet every kill.
    askAll(stack, SIZE.responses, i =>
      waitFor(() => share() >= 0.85 * (i / SIZE.responses) - 0.15, LIMIT_MS),
    ),
    killAll(stack, i => waitFor(() => share() >= (0.8 * (i + 1)) / (victims + 1), LIMIT_MS)),
  ]);
  await batchesOf(client).whenOver(batch.id, LIMIT_MS);
  const isTold = () => new Set(receiver.to('/events').map(({ event }) => event.data.id));
  await waitFor(() => isTold().size >= SIZE.responses + 1, LIMIT_MS);
  const seconds = (performance.now() - startedAt) / 1000;

  await checkResponses(client, accepted);
  await checkBatch(client, batch.id, SIZE.lines);
  const questions = [
    ...accepted.map(({ question }) => question),
    ...Array.from({ length: SIZE.lines }, (_, i) => lineQuestion(i)),
  ];
  const runs = checkRuns(stack.engines, questions.map(hashOf), kills);

  const idsOf = new Map<string, Set<string>>();
  for (const { event, headers, body } of receiver.to('/events')) {
    await client.webhooks.verifySignature(body, headers, secret, 1e9);
    assert.equal(event.type, event.data.id === batch.id ? 'batch.completed' : 'response.completed');
    assert.equal(event.id, headers['webhook-id']);
    idsOf.set(event.data.id, (idsOf.get(event.data.id) ?? new Set()).add(event.id));
  }
  assert.deepEqual([...idsOf.keys()].sort(), [...accepted.map(({ id }) => id), batch.id].sort());
  for (const [id, ids] of idsOf) assert.equal(ids.size, 1, `one id for the event of ${id}`);
  const deliveries = receiver.to('/events').length;
  t.diagnostic(JSON.stringify({ seconds, kills: kills.map(({ name }) => name), ...runs, deliveries }));
});
