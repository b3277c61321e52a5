/** Engines that say what no engine should: the call fails with a clear error, and neither ingress nor worker falls over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, bodyOf } from '../../testkit/responses.ts';
import { chunk, type EngineCall, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { errorOf, post, startStack, waitFor } from '../../testkit/stack.ts';

const GARBAGE: Record<string, string> = {
  'no json': 'data: {"choices": oops}\n\n',
  'no object': 'data: null\n\n',
  'wrong types': 'data: {"choices":[{"delta":{"tool_calls":7}}]}\n\n',
};
const KINDS = Object.keys(GARBAGE);
/** By prompt: opened once the client has read the first words, and once it has read what follows. */
const read = new Map<string, readonly [ReturnType<typeof gate>, ReturnType<typeof gate>]>();

async function* speak({ body }: EngineCall): AsyncGenerator<string | Buffer> {
  const prompt = body.messages.at(-1)?.content ?? '';
  if (prompt === 'long') return yield* ['{"x":"', 'x'.repeat(33 * 1024 * 1024), '"}'];
  if (!body['stream']) return yield '{oops}';
  yield chunk({ role: 'assistant', content: '' }) + chunk({ content: 'Hello' });
  const [words, rest] = read.get(prompt) ?? [];
  await words?.opened;
  yield GARBAGE[prompt.replace(/ for .*/, '')] ?? '';
  await rest?.opened;
}

test('engines that talk nonsense', async t => {
  const engine = await startScriptedEngine(speak);
  t.after(() => engine.close());
  await using stack = await startStack({
    engineUrls: [engine.url],
  });
  const fallen: string[] = [];
  const watched = { ingress: stack.ingress, worker: stack.workers[0] };
  for (const [name, process] of Object.entries(watched))
    void process?.exited.then(() => fallen.push(`${name}: ${process.output.slice(-8).join('\n')}`));
  const messages = (content: string) => [{ role: 'user', content }];
  const asked = (path: string, body: object, headers = {}) =>
    post(stack, path, { model: 'scripted', ...body }, { headers, signal: AbortSignal.timeout(20_000) });
  /** Has the engine go on once something was read. */
  const readAll = async (path: string, prompt: string, body: object, headers = {}) => {
    const [words, rest] = [gate(), gate()] as const;
    read.set(prompt, [words, rest]);
    let text = '';
    const answer = await asked(path, { ...body, stream: true }, headers);
    for await (const part of answer.body ?? []) {
      text += Buffer.from(part).toString();
      if (text.includes('Hello')) words.open();
      // What is translated has more fields than the engine sent.
      if (text.includes('"tool_calls":7')) rest.open();
    }
    return text;
  };

  for (const kind of KINDS) {
    await t.test(`a stream that is translated ends with an error: ${kind}`, async () => {
      const chat = (who: string) => ({ messages: messages(`${kind} for ${who}`) });
      for (const [who, path, body, end] of [
        ['store', '/v1/chat/completions', { ...chat('store'), store: true }, /data: \{"error":/],
        ['tier', '/v1/chat/completions', { ...chat('tier'), service_tier: 'default' }, /data: \{"error":/],
        ['response', '/v1/responses', { input: `${kind} for response` }, /event: response\.failed/],
      ] as const) {
        const text = await readAll(path, `${kind} for ${who}`, body);
        assert.match(text, /Hello/);
        assert.match(text, end);
      }
      assert.deepEqual(fallen, []);
    });

    await t.test(
      `a stored stream of which something was read fails, and is not said twice: ${kind}`,
      async () => {
        const prompt = `${kind} for key`;
        const body = { messages: messages(prompt) };
        const text = await readAll('/v1/chat/completions', prompt, body, { 'idempotency-key': kind });
        assert.deepEqual(fallen, []);
        assert.equal(text.split('Hello').length, 2);
        assert.match(text, /data: \{"error":\{[^\n]*"code":"stream_interrupted"\}\}\n\n$/);
      },
    );
  }

  await t.test('a whole answer that is not JSON is an error, and not stored', async () => {
    for (const [path, body] of [
      ['/v1/chat/completions', { messages: messages('x'), store: true }],
      ['/v1/responses', { input: 'x' }],
    ] as const) {
      const answer = await asked(path, body);
      assert.equal(answer.status, 502);
      assert.deepEqual(fallen, []);
    }
    const list = await (await ask(stack.url, '/v1/chat/completions')).json();
    assert.deepEqual((list as { data: object[] }).data, []);
  });

  await t.test(
    'an answer that is longer than is carried is refused with the reason, and not asked for again',
    async () => {
      const answer = await asked('/v1/chat/completions', { messages: messages('long') });
      assert.equal(answer.status, 502);
      assert.match((await errorOf(answer)).message, /longer than 32 MB/);
      // Others may be trials, by which the worker finds out whether its engine is well again.
      const calls = engine.calls.filter(({ body }) => JSON.stringify(body).includes('"long"'));
      assert.equal(calls.length, 1);
    },
  );

  await t.test('a background response fails after its attempts', async () => {
    const [kind = ''] = KINDS;
    const answer = await asked('/v1/responses', { input: kind, background: true });
    const { id } = (await answer.json()) as { id: string };
    await waitFor(async () => (await bodyOf(ask(stack.url, `/v1/responses/${id}`))).status === 'failed');
    assert.deepEqual(fallen, []);
  });
});
