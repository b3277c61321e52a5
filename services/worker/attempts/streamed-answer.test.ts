import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkEnvelope, WorkMeta } from '@penstock/protocol';
import { StreamedAnswer } from './streamed-answer.ts';

const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const say = (delta: object, finish: string | null = null, index = 0) =>
  event({ choices: [{ index, delta, finish_reason: finish }] });
const ROLE = say({ role: 'assistant', content: '' });
const WORDS = say({ content: 'One' }) + say({ content: ' two' });
const STOP = say({}, 'stop');
const USAGE = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 9 } });
const DONE = event('[DONE]');

function work(body: object = {}, endpoint = 'chat'): WorkEnvelope {
  return { meta: { endpoint, stream: true } as WorkMeta, body: Buffer.from(JSON.stringify(body)) };
}

/** What is passed on of an answer that comes in these pieces, and how it ends. */
function hear(pieces: readonly (string | Buffer)[], asked = work()) {
  const answer = new StreamedAnswer(asked);
  let shown = '';
  for (const piece of [...pieces, null]) {
    const heard = piece === null ? answer.end() : answer.push(Buffer.from(piece));
    if ('events' in heard) shown += heard.events.toString();
    if (heard.kind !== 'said' && heard.kind !== 'silence') return { ...heard, shown, tokens: answer.tokens };
  }
  throw new Error('it never ended');
}

test('an answer is whole once every choice has ended, whatever the engine forgets behind that', () => {
  const ends = [
    DONE,
    'data: [DONE]\n',
    'data: [DONE]',
    `${DONE}\n`,
    `${DONE}: bye\n\n`,
    'data:[DONE] \n\n',
    '',
  ];
  const nonsense = ['data: "[DONE]"\n\n', 'data: {oops}\n\n'];
  for (const end of [
    ...[...ends, ...nonsense, `event: done\n${DONE}`],
    event({ error: { message: 'too late' } }),
  ]) {
    const { kind, shown } = hear([ROLE + WORDS, STOP + end]);
    assert.deepEqual([kind, shown], ['whole', ROLE + WORDS + STOP], JSON.stringify(end));
  }
  const last = STOP.trimEnd();
  assert.equal(hear([ROLE + WORDS + last]).kind, 'whole', 'the last event lacks its blank line');
});

test('an answer is the same cut at every byte, with every line ending', () => {
  for (const ending of ['\n', '\r\n', '\r']) {
    const bytes = Buffer.from(
      (ROLE + say({ content: 'Grüße 👩‍🚀' }) + STOP + USAGE + DONE).replaceAll('\n', ending),
    );
    for (let at = 0; at <= bytes.length; at++) {
      const { kind, shown, tokens } = hear([bytes.subarray(0, at), bytes.subarray(at)]);
      assert.deepEqual([kind, tokens], ['whole', 9]);
      assert.equal(shown, ROLE + say({ content: 'Grüße 👩‍🚀' }) + STOP + USAGE);
    }
  }
});

test('a finish reason that is missing or no success is no whole answer', () => {
  for (const end of [DONE, '', say({}, 'abort') + DONE, say({ content: 'x' }, 'who knows') + DONE]) {
    const heard = hear([ROLE + WORDS + end]);
    assert.deepEqual([heard.kind, heard.shown], ['broken', ROLE + WORDS], JSON.stringify(end));
  }
});

test('each choice has to end', () => {
  const two = [0, 1].map(index => say({ content: 'x' }, null, index)).join('');
  const ended = (index: number) => say({}, 'length', index);
  assert.equal(hear([two + ended(0) + DONE]).kind, 'broken');
  assert.equal(hear([two + ended(1) + ended(0)]).kind, 'whole');
  const first = say({ content: 'x' }, 'stop');
  assert.equal(hear([first], work({ n: 2 })).kind, 'broken');
  const failure = event({ error: { message: 'no memory' } });
  assert.equal(hear([first + failure], work({ n: 2 })).kind, 'error');
  assert.equal(hear([first], work({ prompt: ['a', 'b'] }, 'completions')).kind, 'broken');
  assert.equal(hear([first], work({ prompt: [1, 2] }, 'completions')).kind, 'whole');
  assert.equal(hear([first], work({ messages: [{ content: '"n": 5' }] })).kind, 'whole');
});

test('nothing is missing but the end, once usage came where it was asked for', () => {
  const mayBeWhole = (body: object, text: string) => {
    const answer = new StreamedAnswer(work(body));
    answer.push(Buffer.from(text));
    return answer.mayBeWhole;
  };
  const asked = { stream_options: { include_usage: true } };
  assert.ok(!mayBeWhole({}, ROLE + WORDS));
  assert.ok(mayBeWhole({}, ROLE + WORDS + STOP));
  assert.ok(!mayBeWhole(asked, ROLE + WORDS + STOP));
  assert.ok(mayBeWhole(asked, ROLE + WORDS + STOP + USAGE));
});

test('an error is one in every spelling, before anything is shown or after', () => {
  const error = { message: 'too long', type: 'BadRequestError', code: 400 };
  const spellings = [
    event({ error }),
    `data:${JSON.stringify({ error })}\n\n`,
    'data: { "error" : { "code": 400, "message": "too long" } }\n\n',
    event({ object: 'error', ...error }),
    event({ ...error, object: 'error' }),
    event({ id: 'x', choices: [], error }),
    `event: error\n${event(error)}`,
    `data: {"error":\ndata: {"message":"too long","code":400}}\r\n\r\n`,
    `${JSON.stringify({ error })}\n`,
    event(error),
  ];
  for (const spelling of spellings)
    for (const [before, shown] of [
      ['', ''],
      [ROLE, ''],
      [ROLE + WORDS, ROLE + WORDS],
    ] as const) {
      const heard = hear([before, spelling.endsWith('\n\n') ? spelling + DONE : spelling]);
      assert.equal(heard.kind, 'error', spelling);
      if (heard.kind !== 'error') continue;
      assert.deepEqual([heard.shown, heard.error.status, heard.error.words], [shown, 400, 'too long']);
    }
});

test('an error that is null is none', () => {
  const fine = (delta: object, finish: string | null = null) =>
    event({ error: null, choices: [{ index: 0, delta, finish_reason: finish }] });
  assert.equal(hear([fine({ content: 'x' }), fine({}, 'stop') + DONE]).kind, 'whole');
});

test('nonsense can be tried again while nothing is shown, and not after', () => {
  for (const [before, retryable] of [
    [ROLE, true],
    [WORDS, false],
  ] as const) {
    const heard = hear([`${before}data: {oops}\n\n`]);
    assert.equal(heard.kind, 'broken');
    if (heard.kind === 'broken') assert.equal(heard.failure.retryable, retryable);
  }
});

test('a message of Anthropic’s API is whole with its message_stop, or once it said why it ended', () => {
  const told = (value: { type: string } & Record<string, unknown>) => `event: ${value.type}\n${event(value)}`;
  const begin = told({ type: 'message_start', message: { id: 'msg_1', usage: { input_tokens: 3 } } });
  const block = told({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
  const text = told({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'One' } });
  const end = told({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn' },
    usage: { output_tokens: 7 },
  });
  const stop = told({ type: 'message_stop' });
  const asked = work({}, 'messages');
  for (const last of [stop, '']) {
    const { kind, shown, tokens } = hear([begin + block, text, end + last], asked);
    assert.deepEqual([kind, shown, tokens], ['whole', begin + block + text + end, 7]);
  }
  assert.equal(hear([begin + block + text], asked).kind, 'broken');
  const error = told({ type: 'error', error: { type: 'overloaded_error', message: 'no room' } });
  const refused = hear([begin + error], asked);
  assert.deepEqual([refused.kind, refused.shown], ['error', '']);
  assert.equal(refused.kind === 'error' && refused.error.fault, 'busy');
  // Lines that end as on Windows are written anew, with their names.
  const other = hear([(begin + block + text + end + stop).replaceAll('\n', '\r\n')], asked);
  assert.deepEqual([other.kind, other.shown], ['whole', begin + block + text + end]);
});
