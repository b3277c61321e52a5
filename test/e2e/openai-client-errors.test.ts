/** How the official client takes our failures: error classes, what it retries and how often, and a storm of retries. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { promptHash } from '@penstock/engine-sim';
import OpenAI, { type APIError } from 'openai';
import { countedSdk, sdk } from '../../testkit/sdk.ts';
import { chat, post, type Stack, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';

/** Requests that the queue holds of one tenant, two thirds of what it holds: as many long ones make it full. */
const ROOM = 3;
const QUEUE = Math.ceil((ROOM * 3) / 2);
const CLIENTS = 100;
const model = 'sim-chat';
const messages = [{ role: 'user' as const, content: 'Hello' }];
let stack: Stack;
let client: OpenAI;

before(async () => {
  stack = await startStack({
    engines: [{ profile: 'dense-8b-h100', listSentinels: true }],
    ingressEnv: { PENSTOCK_QUEUE_MAX_MESSAGES: String(QUEUE), PENSTOCK_BODY_LIMIT_BYTES: '100000' },
  });
  client = sdk(stack);
  await whenAllHeard(stack);
});
after(() => stack[Symbol.asyncDispose]());

async function failureOf(asked: PromiseLike<unknown>): Promise<APIError> {
  const error = await Promise.resolve(asked).then(
    () => null,
    (err: unknown) => err,
  );
  assert.ok(error instanceof OpenAI.APIError, String(error));
  return error;
}

/** Of these messages only: a worker tries an engine that failed with a request of its own. */
function startedOf(asked: typeof messages): number {
  const hash = promptHash({ model, messages: asked });
  return stack.engines[0]?.stats().startedIds.filter(({ promptHash }) => promptHash === hash).length ?? 0;
}

/** Fills the queue with streams that go on until the returned function is called. */
async function fillQueue(): Promise<() => void> {
  const controller = new AbortController();
  const body = JSON.stringify(chat('on and on', { max_tokens: 50_000, stream: true }));
  // Kept: a response that is collected as garbage ends its connection.
  const held: Response[] = [];
  while (held.length < ROOM)
    // What earlier tests left behind may take up room for a moment.
    await waitFor(async () => {
      const answer = await post(stack, '/v1/chat/completions', body, { signal: controller.signal });
      if (answer.ok) held.push(answer);
      return answer.ok;
    });
  return () => {
    controller.abort();
    held.length = 0;
  };
}

test('each failure has its class, and code, param, type and request id are read from it', async () => {
  const create = (body: object) => client.chat.completions.create({ model, messages, ...body });
  const stranger = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: 'sk-wrong-key', maxRetries: 0 });
  const invalid = 'invalid_request_error';
  const cases: [ask: () => PromiseLike<unknown>, kind: unknown, told: unknown[]][] = [
    [() => create({ n: 0 }), OpenAI.BadRequestError, [400, 'invalid_request', 'n', invalid]],
    [() => create({ model: 'nobody' }), OpenAI.NotFoundError, [404, 'model_not_found', 'model', invalid]],
    [() => stranger.models.list(), OpenAI.AuthenticationError, [401, 'invalid_api_key', null, invalid]],
    [
      () => client.responses.retrieve('resp_x'),
      OpenAI.NotFoundError,
      [404, 'response_not_found', null, invalid],
    ],
    [() => create({ model: 'sim-400' }), OpenAI.BadRequestError, [400, null, null, invalid]],
  ];
  for (const [ask, kind, told] of cases) {
    const error = await failureOf(ask());
    assert.equal(error.constructor, kind);
    assert.deepEqual([error.status, error.code ?? null, error.param ?? null, error.type], told);
    assert.match(error.requestID ?? '', /^req_[a-z2-7]{26}$/);
  }
});

test('an error in the middle of a stream is raised, with its code', async () => {
  const stream = await client.chat.completions.create({
    model: 'sim-error-after-3',
    messages,
    n: 2,
    stream: true,
  });
  const error = await failureOf(
    (async () => {
      for await (const _chunk of stream);
    })(),
  );
  assert.equal(error.code, 'stream_interrupted');
});

test('what the client did wrong is not tried again', async () => {
  const { client: counted, attempts } = countedSdk(stack);
  await failureOf(counted.chat.completions.create({ model, messages, n: 0 }));
  await failureOf(counted.chat.completions.create({ model: 'nobody', messages }));
  assert.deepEqual(
    attempts.map(({ status, retryCount }) => [status, retryCount]),
    [
      [400, 0],
      [404, 0],
    ],
  );
});

test('x-should-retry: what every attempt of ours failed at is not asked for again', async () => {
  const { client: counted, attempts } = countedSdk(stack);
  assert.equal(
    (await failureOf(counted.chat.completions.create({ model: 'sim-fail', messages }))).status,
    502,
  );
  assert.equal(attempts.length, 1);
});

test('a deadline that passed is a 504, tried again as often as the client likes', async () => {
  const { client: counted, attempts } = countedSdk(stack, { maxRetries: 1 });
  const headers = { 'x-request-timeout-ms': '50' };
  const error = await failureOf(
    counted.chat.completions.create({ model: 'sim-hang', messages }, { headers }),
  );
  assert.equal(error.code, 'deadline_exceeded');
  assert.deepEqual(
    attempts.map(({ status, retryCount }) => [status, retryCount]),
    [
      [504, 0],
      [504, 1],
    ],
  );
});

test('retry storm: a hundred clients get 429; each tries three times, not before Retry-After, and not in step', async () => {
  const release = await fillQueue();
  const startedBefore = startedOf(messages);
  const storm = Array.from({ length: CLIENTS }, () => countedSdk(stack));
  const ended = await Promise.all(
    storm.map(({ client: counted }) => failureOf(counted.chat.completions.create({ model, messages }))),
  );
  for (const error of ended) {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, 'queue_full');
  }
  for (const { attempts } of storm) {
    assert.deepEqual(
      attempts.map(({ status, retryCount }) => [status, retryCount]),
      [0, 1, 2].map(count => [429, count]),
    );
    for (const [i, { at, pauseMs }] of attempts.slice(0, 2).entries())
      assert.ok((attempts[i + 1]?.at ?? 0) - at >= (pauseMs ?? Number.POSITIVE_INFINITY) - 2);
  }
  const pauses = new Set(storm.flatMap(({ attempts }) => attempts.map(({ pauseMs }) => pauseMs)));
  assert.ok(pauses.size > CLIENTS, 'clients were sent away together and will come back together');
  assert.equal(startedOf(messages), startedBefore);
  release();
});

test('when there is room again, clients in their retries are served, once each', async () => {
  const release = await fillQueue();
  const startedBefore = startedOf(messages);
  const storm = Array.from({ length: ROOM }, () => countedSdk(stack));
  const served = storm.map(({ client: counted }) =>
    counted.chat.completions.create({ model, messages, max_tokens: 4 }),
  );
  await waitFor(() => storm.every(({ attempts }) => attempts[0]?.status === 429));
  release();
  for (const answer of await Promise.all(served)) assert.equal(answer.usage?.completion_tokens, 4);
  assert.equal(startedOf(messages) - startedBefore, ROOM);
});
