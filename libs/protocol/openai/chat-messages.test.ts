import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyProfile } from '../prompt/prompt-profile.ts';
import { seeded } from '../random.fixture.ts';
import { checkMessages, messagesSchema } from './chat-messages.ts';
import { chatFields, validateChat } from './chat-request.ts';

const CASES = 20_000;

const rand = seeded(7);
const pick = <T>(from: readonly T[]): T => from[Math.floor(rand() * from.length)] as T;
const some = (most: number, make: () => unknown) => Array.from({ length: Math.floor(rand() * most) }, make);
const ODD = [undefined, null, 0, true, '', 'x', [], {}, ['user'], { role: 'user' }];
const ROLES = [
  'system',
  'developer',
  'user',
  'assistant',
  'tool',
  'function',
  'ipython',
  'User',
  '__proto__',
  '',
  'x'.repeat(65),
];

/** Mostly what `make` gives, now and then something else: near misses find more than noise. */
const mostly = (make: () => unknown): unknown => (rand() < 0.93 ? make() : pick(ODD));
/** Leaves a field out now and then, which is not the same as undefined. */
const fields = (all: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(all).filter(() => rand() < 0.95));
const part = () =>
  fields({ type: mostly(() => pick(['text', 'image_url', 'refusal'])), text: mostly(() => 'hello') });
const content = () =>
  rand() < 0.5 ? 'hello' : rand() < 0.02 ? Array(300).fill(part()) : some(4, () => mostly(part));
const message = () => fields({ role: mostly(() => pick(ROLES)), content: mostly(content), name: pick(ODD) });

test('the check of messages and the schema that describes it give the same verdict', () => {
  const accepted = { yes: 0, no: 0 };
  for (let i = 0; i < CASES; i++) {
    const messages = some(4, () => mostly(message));
    if (messages.length === 0) continue;
    const isValid = messagesSchema.safeParse(messages).success;
    let isAccepted = true;
    try {
      checkMessages(messages, emptyProfile());
    } catch {
      isAccepted = false;
    }
    assert.equal(isAccepted, isValid, JSON.stringify(messages));
    accepted[isAccepted ? 'yes' : 'no']++;
  }
  assert.ok(accepted.yes > CASES / 10 && accepted.no > CASES / 10, JSON.stringify(accepted));
});

test('what is not an array of messages is refused by both, and a long session is not', () => {
  const described = chatFields.extend({ messages: messagesSchema });
  const user = { role: 'user', content: 'x' };
  for (const messages of [...ODD, [user], Array(5000).fill(user)]) {
    const body = { model: 'm', messages };
    const { success } = described.safeParse(body);
    if (success) assert.equal(validateChat(body).model, 'm');
    else assert.throws(() => validateChat(body), { code: 'invalid_request' });
  }
});
