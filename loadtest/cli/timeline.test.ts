import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chartsOf } from './charts.ts';
import { type Point, PointFile } from './points.ts';
import { progressLine } from './progress.ts';
import { Recorder } from './timeline.ts';

const T0 = Date.UTC(2026, 0, 1);
const TAGS = { name: 'chat', mode: 'stream', lane: 'interactive' };

/** A request that began after `atMs` and was answered `tookMs` later. */
function answered(atMs: number, tookMs: number, ttftMs: number): Point[] {
  const at = T0 + atMs + tookMs;
  const point = (metric: string, value: number): Point => ({ metric, at, value, tags: TAGS });
  return [
    { ...point('llm_requests', 1), at: T0 + atMs },
    point('llm_slo_good', 1),
    point('llm_ttft', ttftMs),
    point('llm_e2e', tookMs),
    point('llm_output_tokens', 10),
  ];
}

function record(points: readonly Point[]): Recorder {
  const recorder = new Recorder();
  for (const point of points) recorder.add(point);
  return recorder;
}

test('arrivals count when they begin, answers when they end, and open is what is between', () => {
  const { stepS, moments } = record([...answered(0, 2500, 100), ...answered(1000, 500, 300)]).timeline();
  assert.equal(stepS, 1);
  assert.deepEqual(
    moments.map(({ offered, served, open }) => [offered, served, open]),
    [
      [1, 0, 1],
      [1, 1, 1.5],
      [0, 1, 0.5],
    ],
  );
  assert.deepEqual(moments[1]?.ttft, { p50: 300, p90: 300, p99: 300 });
  assert.equal(moments[0]?.ttft.p50, null);
  assert.equal(moments[2]?.tokens, 10);
});

test('a sample from before the first one moves the start of the run', () => {
  const { moments } = record([...answered(1500, 100, 10), ...answered(0, 4000, 10)]).timeline();
  // By whole seconds: the run now begins half a second before the earliest.
  assert.deepEqual(
    moments.map(({ offered, open }) => [offered, open]),
    [
      [1, 0.5],
      [0, 1],
      [1, 1.1],
      [0, 1],
      [0, 0.5],
    ],
  );
});

test('lines of a batch are counted apart from requests', () => {
  const { moments } = record([
    ...answered(0, 100, 10),
    { metric: 'llm_batch_lines', at: T0 + 500, value: 7, tags: { mode: 'batch' } },
    { metric: 'llm_e2e', at: T0 + 500, value: 400, tags: { mode: 'batch' } },
  ]).timeline();
  assert.deepEqual([moments[0]?.served, moments[0]?.lines], [1, 7]);
});

test('dropped arrivals count as offered, and errors are counted by kind', () => {
  const { moments } = record([
    { metric: 'dropped_iterations', at: T0, value: 3, tags: {} },
    { metric: 'llm_errors', at: T0 + 10, value: 1, tags: { ...TAGS, kind: '429 queue_full' } },
  ]).timeline();
  assert.equal(moments[0]?.offered, 3);
  assert.deepEqual(moments[0]?.errors, { '429 queue_full': 1 });
});

test('a long run is summarized in longer steps, with the percentiles of all their answers', () => {
  const points = Array.from({ length: 500 }, (_, i) => answered(i * 1000, 10, i)).flat();
  const { stepS, moments } = record(points).timeline();
  assert.equal(stepS, 5);
  assert.equal(moments.length, 100);
  assert.deepEqual([moments[0]?.offered, moments[0]?.ttft.p50, moments[0]?.ttft.p99], [1, 2, 4]);
});

test('more kinds of errors than colours become one line', () => {
  const kinds = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const recorder = record(
    kinds.map((kind, i) => ({ metric: 'llm_errors', at: T0, value: 10 - i, tags: { kind } })),
  );
  const lines = chartsOf(recorder.timeline()).find(chart => chart.id === 'errors')?.series ?? [];
  assert.deepEqual(
    lines.map(({ label, values }) => [label, values[0]]),
    [
      ['a', 10],
      ['b', 9],
      ['c', 8],
      ['d', 7],
      ['e', 6],
      ['other', 9],
    ],
  );
});

test('samples are read while they are written, a half line waits for its rest', () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-points-'));
  try {
    const path = join(directory, 'samples.json');
    const file = new PointFile(path);
    const seen: number[] = [];
    const read = () => file.read(({ value }) => seen.push(value));
    const line = (value: number) =>
      `${JSON.stringify({ metric: 'm', type: 'Point', data: { time: '2026-01-01T00:00:00.5Z', value, tags: null } })}\n`;
    read();
    writeFileSync(
      path,
      `{"type":"Metric","data":{"name":"m"},"metric":"m"}\n${line(1)}${line(2).slice(0, 30)}`,
    );
    read();
    assert.deepEqual(seen, [1]);
    appendFileSync(path, line(2).slice(30));
    read();
    assert.deepEqual(seen, [1, 2]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the progress line shows the second before the last', () => {
  const recorder = record(answered(0, 400, 80));
  assert.match(progressLine(new Recorder(), T0, T0 + 1000), /1 s {2}starting/);
  assert.match(
    progressLine(recorder, T0, T0 + 2100),
    /2 s {2}offered +1\.0\/s {2}served +1\.0\/s {2}open +0\.4 {2}first token p50 +80 ms p99 +80 ms {2}tokens +10\.0\/s {2}no errors/,
  );
});
