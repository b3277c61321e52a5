import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { createLogger } from './logger.ts';
import { type ToldError, tellError } from './told-error.ts';

const PROMPT = 'the patient in room four has told me';
const KEY = 'sk-abcdefgh12345678';

function told(err: unknown): ToldError {
  const said = tellError(err);
  assert.ok(typeof said === 'object');
  return said;
}

function thrownBy(act: () => unknown): unknown {
  try {
    return act();
  } catch (err) {
    return err;
  }
}

/** What a logger writes of it. */
function logged(about: object, text = 'it failed'): string {
  const lines: string[] = [];
  const log = createLogger({ service: 'x', level: 'info' }, { write: line => void lines.push(line) });
  log.error(about, text);
  return lines.join('');
}

test('what clients of servers put on an error is not written: arguments, requests, bodies, in causes too', () => {
  const refusal = Object.assign(new Error('OOM command not allowed when used memory > maxmemory'), {
    name: 'ReplyError',
    command: { name: 'evalsha', args: [Buffer.from(PROMPT), PROMPT] },
    previousErrors: [new Error(PROMPT)],
    body: PROMPT,
    $response: { headers: { authorization: KEY } },
  });
  const line = logged({ err: new Error('it was not stored', { cause: refusal }), id: 'r1' });
  assert.doesNotMatch(line, /patient/);
  const { err } = JSON.parse(line) as { err: ToldError };
  assert.deepEqual(err.cause, {
    type: 'ReplyError',
    message: refusal.message,
    stack: err.cause?.stack,
  });
  assert.match(err.stack ?? '', /told-error\.test\.ts/);
});

test('messages that quote what they read leave it out', () => {
  const unread = [
    thrownBy(() => JSON.parse(PROMPT)),
    thrownBy(() => JSON.parse(`{"content": "${PROMPT}", }`)),
    thrownBy(() => JSON.parse(`${'x'.repeat(50)} ${PROMPT}`)),
    new SyntaxError(`Unexpected token '${PROMPT}'`),
    Object.assign(new Error(`ERR unknown command 'X', with args beginning with: '${PROMPT}' `), {
      name: 'ReplyError',
    }),
    z.object({ n: z.number() }).safeParse({ n: PROMPT }).error,
    z.strictObject({}).safeParse({ [PROMPT]: 1 }).error,
  ];
  for (const err of unread) {
    const { message } = told(err);
    assert.doesNotMatch(message, /patient|xxx/);
    assert.ok(message.length > 3, message);
  }
  assert.equal(told(unread[5]).message, 'invalid_type at n');
});

test('an error is told in bounds and on one line, whatever it is', () => {
  const long = told(new Error(`${'a\n\u001b[31m'.repeat(1000)}`));
  assert.ok(long.message.length <= 301);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal obeys them
  assert.doesNotMatch(long.message, /[\u0000-\u001f]/);
  let chain: Error = new Error('0');
  for (let i = 1; i < 50; i++) chain = new Error(`${i}`, { cause: chain });
  assert.ok(JSON.stringify(told(chain)).length < 10_000);
  const ring = new Error('ring');
  ring.cause = ring;
  assert.equal(told(ring).cause?.cause?.cause?.cause?.cause, undefined);
  const many = new AggregateError(Array.from({ length: 100 }, (_, i) => new Error(`${i}`)));
  assert.equal(told(many).errors?.length, 3);
  const broken = new Error('x');
  Object.defineProperty(broken, 'message', {
    get() {
      throw new Error('no');
    },
  });
  assert.equal(tellError(broken), 'an error that cannot be read');
  assert.equal(tellError({ prompt: PROMPT }), 'object');
  const refused = told(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  assert.deepEqual(refused, { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' });
});

test('what is written as a key or a password is is not in a line, wherever it was', () => {
  const said = [
    logged({ why: `Bearer ${KEY}` }),
    logged({}, `the key ${KEY} and whsec_0123456789abcdef`),
    logged({ err: new Error(`redis://me:${'hunter22'}@h:6379 is away`) }),
    logged({ nested: { apiKey: 'hunter22', body: PROMPT } }),
  ];
  for (const line of said) {
    assert.doesNotMatch(line, /abcdefgh|0123456789|hunter22|patient/);
    assert.doesNotThrow(() => JSON.parse(line));
  }
  assert.match(said[2] ?? '', /redis:\/\/me:…@h:6379/);
  assert.match(logged({ url: 'http://127.0.0.1:8080' }), /http:\/\/127\.0\.0\.1:8080/);
});
