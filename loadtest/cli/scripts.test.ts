/** The k6 scripts keep to what real k6 documents; and the parts of them that compute something. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { quantileAt, seeded } from '../k6/lib/random.ts';
import { readStream, textOf } from '../k6/lib/stream.ts';
import { NOT_TOLD, renderSummary, summaryOf } from '../k6/lib/summary.ts';
import { SCENARIOS } from './arguments.ts';

const ROOT = resolve(import.meta.dirname, '../k6');
const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  .map(name => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));
const DOCUMENTED = new Set(['k6', 'k6/http', 'k6/metrics', 'k6/execution', 'k6/data', 'k6/options']);

test('there is a script for each scenario and a scenario for each script', () => {
  const scripts = FILES.flatMap(({ name }) => (name.includes('/') ? [] : [name.replace('.ts', '')]));
  assert.deepEqual(scripts.sort(), Object.keys(SCENARIOS).sort());
});

test('scripts import documented modules of k6 and files beside them', () => {
  for (const { name, text } of FILES) {
    for (const [line, specifier = ''] of text.matchAll(/^(?:import|export)[^;]*?from '([^']+)';/gm)) {
      const own = /^\.{1,2}\/[\w./-]+\.ts$/.test(specifier);
      assert.ok(own || DOCUMENTED.has(specifier), `${name} imports ${specifier}`);
      // k6 has types for its options, and no module of that name.
      if (specifier === 'k6/options') assert.match(line, /^import type/, name);
    }
    assert.doesNotMatch(text, /\bimport\(|\brequire\(|https?:\/\/(?!127\.0\.0\.1)/, name);
  }
});

test('nothing blocks a virtual user: no sleep, no synchronous HTTP, nothing of Node', () => {
  for (const { name, text } of FILES) {
    assert.doesNotMatch(text, /\bsleep\b/, name);
    assert.doesNotMatch(text, /\bhttp\.(get|post|put|patch|del|head|options|request|batch)\b/, name);
    assert.doesNotMatch(text, /\b(process|Buffer|fetch|performance|node:)\b/, name);
  }
});

test('numbers are the same in every run, and quantiles follow the table', () => {
  const [a, b] = [seeded(7), seeded(7)];
  const drawn = Array.from({ length: 1000 }, a);
  assert.deepEqual(drawn, Array.from({ length: 1000 }, b));
  assert.ok(Math.abs(drawn.reduce((sum, value) => sum + value, 0) / 1000 - 0.5) < 0.03);
  const [shares, values] = [
    [0, 0.5, 1],
    [1, 100, 10_000],
  ];
  assert.equal(quantileAt(shares, values, 0), 1);
  assert.equal(quantileAt(shares, values, 0.5), 100);
  assert.ok(Math.abs(quantileAt(shares, values, 0.75) - 1000) < 1e-6);
  assert.equal(quantileAt(shares, values, 1), 10_000);
});

const delta = (content: string) => `data: {"choices":[{"delta":{"content":"${content}"}}]}\n\n`;
const USAGE =
  'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}\n\n';
const DONE = 'data: [DONE]\n\n';

test('a stream is whole when it says so and tells its usage', () => {
  const whole = readStream(delta('a') + delta(' b') + USAGE + DONE);
  assert.equal(whole.error, null);
  assert.equal(whole.usage?.completion_tokens, 2);
  assert.equal(whole.early, false);
  assert.equal(textOf(delta('a') + delta(' b') + USAGE + DONE), 'a b');
  assert.equal(readStream(`: waiting\n\n${delta('a')}${USAGE}${DONE}`).early, true);
});

test('what is wrong with a stream has a name', () => {
  const error = 'data: {"error":{"message":"x","code":"engine_failed"}}\n\n';
  assert.equal(readStream(delta('a')).error, 'cut short');
  assert.equal(readStream('').error, 'cut short');
  assert.equal(readStream(delta('a') + DONE).error, 'no usage');
  assert.equal(readStream(delta('a') + error).error, 'stream engine_failed');
  assert.equal(readStream(error + DONE).error, 'stream engine_failed');
  assert.equal(readStream('data: {"error":{}}\n\n').error, 'stream error');
  // An answer may talk about errors.
  assert.equal(readStream(delta('data: {\\"error\\":') + USAGE + DONE).error, null);
});

test('the summary is read in both forms that k6 has', () => {
  const good = { type: 'rate', contains: 'default', values: { rate: 0.99996, passes: 99_996, fails: 4 } };
  const made = { type: 'counter', contains: 'default', values: { count: 100_000, rate: 1000 } };
  const judged = { ...good, thresholds: { 'rate>=0.99': { ok: true } } };
  const first = renderSummary(summaryOf({ metrics: { llm_slo_good: judged, iterations: made } }));
  assert.match(first, /llm_slo_good +99\.99 % of 100000\n/, 'rounded down');
  assert.match(first, /ok {6}llm_slo_good +rate>=0\.99/);
  const exact = { ...good, values: { rate: 0.57, passes: 57, fails: 43 } };
  assert.match(renderSummary({ metrics: { checks: exact, iterations: made } }), /checks +57\.00 % of 100/);
  const metrics = [
    { name: 'llm_slo_good', ...good },
    { name: 'iterations', ...made },
  ];
  const listed = renderSummary(summaryOf({ results: { metrics } }));
  assert.match(listed, /iterations +100000 {2}\(1000\.0\/s\)/);
  assert.ok(listed.includes(NOT_TOLD));
});
