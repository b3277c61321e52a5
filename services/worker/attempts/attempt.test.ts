import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Frame, sharedAddress, type WorkMeta } from '@penstock/protocol';
import type { Engine, EngineHandlers } from '../engine/engine.ts';
import { Attempt } from './attempt.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
const ADDRESS = sharedAddress(KEY, 'r1');
const CLOCK = { monotonic: () => 0 };
const LIMITS = { firstTokenMs: 120_000, betweenTokensMs: 300_000 };
const NO_BODIES = { load: async () => null };
const META = { id: 'r1', from: 'in-1', endpoint: 'embeddings', stream: false } as WorkMeta;

test('the chunks of a long answer that is not a stream are concatenated once, at its end', t => {
  let handlers: EngineHandlers | null = null;
  const engine = {
    run: (_path: string, _body: Uint8Array, given: EngineHandlers) => {
      handlers = given;
      return { abort() {} };
    },
  } as unknown as Engine;
  const outcomes: string[] = [];
  const attempt = new Attempt({
    work: { meta: META, body: Buffer.from('{}') },
    ...{ number: 1, nonce: 1, ackSubject: 'ack', address: ADDRESS, waitMs: 0, continuation: null },
    ...{ incarnation: 'p1', limits: LIMITS, clock: CLOCK },
    hooks: {
      ready() {},
      firstToken() {},
      isModelLeaving: () => false,
      ended: (_attempt, outcome) => void outcomes.push(outcome),
    },
  });
  attempt.start(engine, NO_BODIES);
  const concat = t.mock.method(Buffer, 'concat');
  const pieces = ['{"data":"', ...Array.from({ length: 500 }, () => 'x'.repeat(1000)), '"}'];
  const { start, data, end } = handlers as unknown as EngineHandlers;
  start(200, 'application/json');
  for (const piece of pieces) data(Buffer.from(piece));
  end();
  assert.equal(concat.mock.callCount(), 1);
  const frames: Frame[] = [];
  attempt.takeFrames(frames);
  assert.deepEqual([frames.at(-1)?.kind, outcomes], ['result', ['done']]);
  assert.equal(frames.at(-1)?.body.toString(), pieces.join(''));
});

/** An attempt whose engine the test plays. */
function startAttempt(
  meta: Partial<WorkMeta>,
  number = 1,
  clock = CLOCK,
  isLeaving = false,
  body = Buffer.from('{}'),
) {
  let given: EngineHandlers | null = null;
  const engine = {
    run: (_path: string, _body: Uint8Array, handlers: EngineHandlers) => {
      given = handlers;
      return { abort() {} };
    },
  };
  const outcomes: string[] = [];
  const briefs: string[] = [];
  const attempt = new Attempt({
    work: { meta: { ...META, ...meta }, body },
    ...{
      number,
      nonce: 1,
      ackSubject: 'ack',
      address: ADDRESS,
      waitMs: 0,
      continuation: null,
      incarnation: 'p1',
      limits: LIMITS,
      clock,
    },
    hooks: {
      ready() {},
      firstToken() {},
      isModelLeaving: () => isLeaving,
      ended: (_attempt, outcome, _detail, brief) => {
        outcomes.push(outcome);
        briefs.push(brief);
      },
    },
  });
  attempt.start(engine, NO_BODIES);
  const last = () => {
    const frames: Frame[] = [];
    attempt.takeFrames(frames);
    return frames.at(-1);
  };
  return { handlers: given ?? assert.fail('the engine was not called'), outcomes, briefs, last, attempt } as {
    handlers: EngineHandlers;
    outcomes: string[];
    briefs: string[];
    last: () => Frame | undefined;
    attempt: Attempt;
  };
}

test('what an engine says with a status or without decides whose fault it is', () => {
  const error = (code: number) => JSON.stringify({ error: { message: 'the words', code } });
  const cases: [status: number, body: string, outcome: string, frame: string][] = [
    [400, error(400), 'client_error', 'result'],
    [404, '{"detail":"Not Found"}', 'client_error', 'result'],
    [501, '', 'client_error', 'result'],
    [401, error(401), 'misconfigured', 'result'],
    [429, error(429), 'busy', 'failed'],
    [503, '<html>', 'busy', 'failed'],
    [500, error(500), 'failed', 'failed'],
    [200, error(400), 'client_error', 'result'],
    [200, error(429), 'busy', 'failed'],
    [200, error(500), 'failed', 'failed'],
    [200, '{"choices":[]}', 'failed', 'failed'],
    [200, '{"choices":[{"message":{"content":"half"},"finish_reason":"abort"}]}', 'failed', 'failed'],
    [200, '{"error":null,"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}', 'done', 'result'],
  ];
  for (const [status, body, outcome, kind] of cases)
    for (const stream of outcome === 'done' ? [false] : [false, true]) {
      const { handlers, outcomes, briefs, last } = startAttempt({ endpoint: 'chat', stream });
      handlers.start(status, 'application/json');
      handlers.data(Buffer.from(body));
      handlers.end();
      const frame = last();
      assert.deepEqual([outcomes, frame?.kind], [[outcome], kind], `${status} ${body}`);
      if (body === error(500)) assert.match(frame?.meta ?? '', /the words/);
      assert.doesNotMatch(briefs.join(), /words|html|Not Found/, 'what logs and traces are told');
      if (outcome === 'busy') assert.equal(JSON.parse(frame?.meta ?? '').busyMs, 1000);
    }
});

test('what an engine quotes of a request stays out of its failures, which go into logs and dead letters', () => {
  const secret = 'the patient is called Erika Mustermann';
  const body = Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: secret }] }));
  for (const [status, isLeaving] of [[500], [429], [404, true]] as const) {
    const { handlers, last } = startAttempt({ endpoint: 'chat' }, 1, CLOCK, isLeaving, body);
    handlers.start(status, 'application/json');
    const message = `no such model: cannot run '${secret}' now`;
    handlers.data(Buffer.from(JSON.stringify({ error: { message, code: status } })));
    handlers.end();
    const frame = last();
    assert.equal(frame?.kind, 'failed');
    assert.ok(!frame.meta.includes('Erika') && frame.meta.includes('cannot run'), frame.meta);
  }
});

test('a request for a model that was unloaded a moment ago goes back to the queue; else the engine is believed', () => {
  const body = JSON.stringify({ error: { message: 'The model `m` does not exist.', code: 404 } });
  for (const isLeaving of [true, false]) {
    const { handlers, outcomes, last } = startAttempt({ endpoint: 'chat' }, 1, CLOCK, isLeaving);
    handlers.start(404, 'application/json');
    handlers.data(Buffer.from(body));
    handlers.end();
    const frame = last();
    assert.deepEqual(
      [outcomes, frame?.kind],
      isLeaving ? [['gone'], 'failed'] : [['client_error'], 'result'],
    );
    assert.equal(JSON.parse(frame?.meta ?? '').busyMs !== undefined, isLeaving, 'no attempt is counted');
  }
});

test('a stream that is whole ends well without the engine’s word, and however the connection ends', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const text = 'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n';
  const ends: ((handlers: EngineHandlers) => void)[] = [
    handlers => handlers.end(),
    handlers => handlers.error(new Error('reset')),
    () => t.mock.timers.tick(1000),
  ];
  for (const end of ends) {
    const { handlers, outcomes, last } = startAttempt({ endpoint: 'chat', stream: true });
    handlers.start(200, 'text/event-stream');
    handlers.data(Buffer.from(text));
    end(handlers);
    const frame = last();
    assert.deepEqual(
      [outcomes, frame?.kind, frame?.body.toString()],
      [['done'], 'end', `${text}data: [DONE]\n\n`],
    );
  }
});

test('a whole answer to a request for a stream is told as one, once', () => {
  const choice = { index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' };
  const usage = { prompt_tokens: 3, completion_tokens: 2 };
  const message = {
    type: 'message',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason: 'end_turn',
    usage,
  };
  for (const [endpoint, answer, end] of [
    ['chat', { choices: [choice], usage }, 'data: [DONE]\n\n'],
    ['completions', { choices: [{ text: 'Hi', finish_reason: 'stop' }], usage }, 'data: [DONE]\n\n'],
    ['messages', message, 'event: message_stop\ndata: {"type":"message_stop"}\n\n'],
  ] as const) {
    const { handlers, outcomes, last } = startAttempt({ endpoint, stream: true });
    handlers.start(200, 'application/json');
    for (const part of JSON.stringify(answer).split(/(?<=:)/)) handlers.data(Buffer.from(part));
    handlers.end();
    const frame = last();
    assert.deepEqual([outcomes, frame?.kind], [['done'], 'end'], endpoint);
    const said = frame?.body.toString() ?? '';
    assert.match(said, /"Hi"/);
    assert.equal(said.indexOf(end), said.length - end.length, said);
  }
});

test('a whole answer that no stream can be made of is a failure', () => {
  const { handlers, outcomes, last } = startAttempt({ endpoint: 'messages', stream: true });
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from('{"type":"message","content":7,"stop_reason":"end_turn"}'));
  handlers.end();
  assert.deepEqual(outcomes, ['failed']);
  assert.match(last()?.meta ?? '', /did not answer with an event stream/);
});

test('a stream is one although the engine gives it no type, or another', () => {
  const text =
    'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
  for (const type of ['', 'text/plain', 'application/json'])
    for (const stream of [true, false]) {
      const { handlers, outcomes, last } = startAttempt({ endpoint: 'chat', stream });
      handlers.start(200, type);
      handlers.data(Buffer.from(text));
      handlers.end();
      const frame = last();
      assert.deepEqual([outcomes, frame?.kind], [['done'], stream ? 'end' : 'result'], type);
      if (!stream) assert.equal(JSON.parse(frame?.body.toString() ?? '').choices[0].message.content, 'x');
    }
});

const say = (delta: object) => Buffer.from(`data: {"choices":[{"delta":${JSON.stringify(delta)}}]}\n\n`);

/** An attempt on a clock that moves with its timers. */
function startTimed(t: TestContext, meta: Partial<WorkMeta>) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const time = { now: 0 };
  const attempt = startAttempt({ endpoint: 'chat', ...meta }, 1, { monotonic: () => time.now });
  const pass = (ms: number) => {
    time.now += ms;
    t.mock.timers.tick(ms);
  };
  return { ...attempt, pass };
}

test('the first token is awaited from the call to the first content, whatever else comes before', t => {
  const { handlers, outcomes, last, pass } = startTimed(t, { stream: true });
  pass(60_000);
  handlers.start(200, 'text/event-stream');
  for (const early of [Buffer.from(': ping\n\n'), say({ role: 'assistant', content: '' })]) {
    handlers.data(early);
    pass(25_000);
  }
  assert.deepEqual(outcomes, []);
  pass(10_000);
  assert.deepEqual(outcomes, ['failed']);
  const { code, message, retryable } = JSON.parse(last()?.meta ?? '');
  assert.deepEqual([code, retryable], ['engine_timeout', true]);
  assert.match(message, /within 120 s/);
});

test('a stream that has begun may be silent for longer than the first token may take, but not for ever', t => {
  const { handlers, outcomes, last, pass } = startTimed(t, { stream: true });
  handlers.start(200, 'text/event-stream');
  pass(100_000);
  handlers.data(say({ content: 'One' }));
  pass(299_000);
  handlers.data(say({}));
  pass(299_000);
  handlers.data(Buffer.from(': ping\n\n'));
  assert.deepEqual(outcomes, []);
  pass(1000);
  assert.deepEqual(outcomes, ['failed']);
  assert.match(last()?.meta ?? '', /engine_timeout.*silent for 300 s/);
});

test('an answer in one piece has as long as its request', t => {
  for (const [meta, limitMs] of [
    [{ stored: false, acceptedAt: 0, deadlineAt: 1000 }, 24 * 3600_000],
    [{ stored: true, acceptedAt: 5000, deadlineAt: 3_605_000 }, 4200_000],
  ] as const) {
    const { handlers, outcomes, last, pass } = startTimed(t, meta);
    pass(limitMs / 2);
    handlers.start(200, 'application/json');
    pass(limitMs / 2 - 1);
    assert.deepEqual(outcomes, []);
    pass(1);
    assert.deepEqual(outcomes, ['failed']);
    assert.match(last()?.meta ?? '', /deadline_exceeded.*"retryable":false/);
    t.mock.timers.reset();
  }
});

test('an attempt that ended is not timed any more', t => {
  const { handlers, outcomes, pass } = startTimed(t, { stream: true });
  handlers.error(new Error('reset'));
  pass(600_000);
  assert.deepEqual(outcomes, ['failed']);
});

test('an answer that is lost on the way is reported failed once, and no fault of the engine', () => {
  const whole = startAttempt({});
  whole.handlers.start(200, 'application/json');
  whole.handlers.data(Buffer.from('{"data":[]}'));
  whole.handlers.end();
  const running = startAttempt({ stream: true, endpoint: 'chat' });
  running.handlers.start(200, 'text/event-stream');
  running.handlers.data(say({ content: 'One' }));
  for (const [{ attempt, outcomes, last }, outcome] of [
    [whole, 'done'],
    [running, 'dropped'],
  ] as const) {
    attempt.lost();
    const frame = last();
    assert.deepEqual([outcomes, frame?.kind], [[outcome], 'failed']);
    assert.deepEqual(JSON.parse(frame?.meta ?? '').retryable, true);
    attempt.lost();
    assert.equal(last(), undefined);
  }
});

test('a complete answer that nobody wants any more is not sent', () => {
  const { attempt, handlers, outcomes, last } = startAttempt({});
  handlers.start(200, 'application/json');
  handlers.data(Buffer.from('{"data":[]}'));
  handlers.end();
  assert.equal(attempt.waitingBytes, 11);
  attempt.drop();
  assert.deepEqual([last(), attempt.waitingBytes, outcomes], [undefined, 0, ['done']]);
});
