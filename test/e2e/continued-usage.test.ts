/** A stream that goes on at another worker has as many tokens as were asked for, and says so, with several of them in a chunk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, post, startStack, waitFor } from '../../testkit/stack.ts';

const ENGINE = { profile: 'dense-70b-h100x4', tokensPerChunk: 4, timeScale: 4 };
const ASKED = { stream: true, stream_options: { include_usage: true } };

test('max_tokens and usage are exact across the death of a worker', async () => {
  await using stack = await startStack({ engines: [ENGINE, ENGINE] });
  const read = async (max_tokens: number, question: string) => {
    const text = await (
      await post(stack, '/v1/chat/completions', chat(question, { ...ASKED, max_tokens }))
    ).text();
    const chunks = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));
    const pieces = chunks.map(({ choices: [choice] }) => choice?.delta.content ?? '').filter(Boolean);
    assert.ok(text.endsWith('data: [DONE]\n\n'), text.slice(-300));
    return {
      chunks: pieces.length,
      words: pieces.join('').split(' ').length - 1,
      ends: chunks.flatMap(({ choices: [choice] }) => choice?.finish_reason ?? []),
      usage: chunks.at(-1).usage,
    };
  };
  const limits = Array.from({ length: 16 }, (_, i) => 150 + i);
  const streams = limits.map((limit, i) => read(limit, `question ${10 + i}`));
  // Some way into their answers, those of one worker have to go on at the other.
  await waitFor(() => (stack.engines[0]?.stats().generationTokens ?? 0) > 300);
  stack.workers[0]?.kill('SIGKILL');
  for (const [i, { chunks, words, ends, usage }] of (await Promise.all(streams)).entries()) {
    const limit = limits[i] ?? 0;
    assert.deepEqual([words, ends], [limit, ['length']], `stream ${i}`);
    assert.ok(chunks < limit / 2, 'several tokens a chunk');
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage;
    // "question 10" is 11 bytes, and a template has its own tokens.
    assert.deepEqual([prompt, completion, total], [7, limit, 7 + limit], `stream ${i}`);
  }
  assert.ok((stack.engines[1]?.stats().mismatchedContinuations ?? 1) === 0);
  const [one, two] = stack.engines.map(engine => engine.stats());
  assert.ok((one?.aborted ?? 0) > 0 && (two?.started ?? 0) > 8, 'some were continued');
});
