import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateConversations } from './generate.ts';
import { conversationTrace, parseMooncake } from './mooncake.ts';
import { promptOf } from './prompt.ts';
import { limitTrace, TraceError } from './trace.ts';

const line = (timestamp: number, extra = {}) =>
  JSON.stringify({ timestamp, input_length: 1500, output_length: 20, hash_ids: [0, 7], ...extra });

test('reads requests in order', () => {
  const [first, second] = parseMooncake(`${line(0)}\n${line(3000)}\n`);
  assert.deepEqual(first, { atMs: 0, inputTokens: 1500, outputTokens: 20, blocks: [0, 7] });
  assert.equal(second?.atMs, 3000);
});

test('a file that is malformed, empty or unsorted is refused by line', () => {
  for (const [text, message] of [
    ['', /no requests/],
    ['{', /trace:1: not a request/],
    [`${line(0)}\nnull`, /trace:2/],
    [`${line(0)}\n${line(1, { hash_ids: ['a'] })}`, /trace:2/],
    [`${line(9)}\n${line(1)}`, /trace:2: time goes backwards/],
  ] as const) {
    assert.throws(
      () => parseMooncake(text),
      (err: Error) => err instanceof TraceError && message.test(err.message),
    );
  }
});

test('a directory that was named must hold the trace', () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-traces-'));
  try {
    assert.throws(() => conversationTrace({}, 1, { PENSTOCK_TRACES: directory }), TraceError);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('limits cut requests, lengths and time, and load squeezes arrivals', () => {
  const requests = [0, 1000, 2000, 9000].map(atMs => ({
    atMs,
    inputTokens: 2000,
    outputTokens: 0,
    blocks: [0, 1, 2],
  }));
  const cut = limitTrace(requests, { load: 2, maxSeconds: 5, maxInputTokens: 1024 });
  assert.deepEqual(
    cut.map(request => request.atMs),
    [0, 500, 1000],
  );
  assert.deepEqual(cut[0], { atMs: 0, inputTokens: 1024, outputTokens: 1, blocks: [0, 1] });
  assert.throws(() => limitTrace(requests, { load: 0 }), TraceError);
});

test('generated requests are the same for a seed and like the trace', () => {
  const one = generateConversations(5);
  assert.deepEqual(one.slice(0, 50), generateConversations(5).slice(0, 50));
  const seconds = (one.at(-1)?.atMs ?? 0) / 1000;
  assert.ok(Math.abs(one.length / seconds - 3.4) < 0.2);
  const outputs = one.map(request => request.outputTokens).sort((a, b) => a - b);
  const median = outputs[outputs.length >> 1] ?? 0;
  assert.ok(median > 300 && median < 400, `${median}`);
  const seen = new Set<number>();
  let shared = 0;
  for (const { blocks } of one) {
    if (blocks.length > 1 && seen.has(blocks[1] ?? -1)) shared++;
    for (const block of blocks) seen.add(block);
  }
  assert.ok(Math.abs(shared / one.length - 0.387) < 0.08, `${shared / one.length} follow-ups`);
});

test('prompts share exactly the blocks that the trace says they share', () => {
  const request = { atMs: 0, inputTokens: 1500, outputTokens: 1, blocks: [0, 7] };
  const one = promptOf(request, 1);
  const two = promptOf({ ...request, blocks: [0, 8] }, 2);
  assert.equal(one.length, 6000);
  assert.equal(one.slice(0, 2048), two.slice(0, 2048));
  assert.notEqual(one.slice(2048, 4096), two.slice(2048, 4096));
  assert.equal(one.slice(0, 4096), promptOf(request, 3).slice(0, 4096));
  assert.notEqual(one, promptOf(request, 3));
});
