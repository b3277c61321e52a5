import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { Answers } from './answers.ts';

function answerOf(about: { headersSent?: boolean; statusCode?: number } = {}): ServerResponse {
  const answer = { headersSent: true, statusCode: 200, shouldKeepAlive: true, ...about };
  return Object.assign(new EventEmitter(), answer) as unknown as ServerResponse;
}

test('an answer is counted when it has ended, by the status that the client saw', () => {
  const counted: string[] = [];
  const answers = new Answers({ inc: ({ endpoint, status }) => void counted.push(`${endpoint} ${status}`) });
  const all = [
    answerOf({ statusCode: 202 }),
    answerOf({ headersSent: false }),
    answerOf({ statusCode: 503 }),
  ] as const;
  answers.begin(all[0], 'chat');
  answers.begin(all[1], '/v1/files');
  answers.begin(all[2], null);
  assert.deepEqual([answers.open, counted], [3, []]);
  for (const answer of all) answer.emit('close');
  assert.deepEqual([answers.open, counted], [0, ['chat 202', '/v1/files 499']]);
});

test('a node that leaves lets each answer end its connection that has not begun', () => {
  const answers = new Answers({ inc() {} });
  const [begun, waiting, next] = [answerOf(), answerOf({ headersSent: false }), answerOf()];
  answers.begin(begun, 'chat');
  answers.begin(waiting, 'chat');
  answers.leave();
  answers.begin(next, 'chat');
  assert.deepEqual(
    [begun, waiting, next].map(raw => raw.shouldKeepAlive),
    [true, false, false],
  );
});
