import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry } from '../metrics/metrics.ts';
import { RunFailure } from '../outcome/failure.ts';
import { bindThresholds, judge, parseExpression, parseSelector, readThresholds } from './thresholds.ts';

function registry(): MetricRegistry {
  const metrics = new MetricRegistry(() => 0);
  metrics.register('latency', 'trend', 'time');
  metrics.register('drops', 'counter');
  metrics.register('good', 'rate');
  metrics.register('level', 'gauge');
  return metrics;
}

test('expressions are read with all their operators', () => {
  assert.deepEqual(parseExpression(' p(99.9) <= 1e3 '), {
    aggregation: { kind: 'percentile', percent: 99.9 },
    operator: '<=',
    limit: 1000,
  });
  assert.deepEqual(parseExpression('count===0'), {
    aggregation: { kind: 'count' },
    operator: '==',
    limit: 0,
  });
  for (const wrong of ['', 'p95<1', 'p(101)<1', 'avg<', 'avg<x', 'avg<1 && max<2', 'median<1', 'p()<1']) {
    assert.throws(() => parseExpression(wrong), /write for example/, wrong);
  }
});

test('selectors carry tags, whose values may hold colons', () => {
  assert.deepEqual(parseSelector('m'), { name: 'm', tags: {} });
  assert.deepEqual(parseSelector('m{lane:interactive, url:http://h:80/x}'), {
    name: 'm',
    tags: { lane: 'interactive', url: 'http://h:80/x' },
  });
  assert.throws(() => parseSelector('m{lane:a'), /closing brace/);
  assert.throws(() => parseSelector('m{lane}'), /tag:value/);
});

test('a threshold sees the samples with its tags only', () => {
  const metrics = registry();
  const [all, fast] = bindThresholds(
    readThresholds({
      latency: ['max<50'],
      'latency{lane:fast}': [{ threshold: 'max<50', abortOnFail: true }],
    }),
    metrics,
  );
  const latency = metrics.get('latency');
  assert.ok(latency && all && fast);
  metrics.emit(latency, 10, { lane: 'fast', model: 'm' });
  metrics.emit(latency, 90, { lane: 'slow' });
  metrics.emit(latency, 90, {});
  assert.deepEqual(judge(all, 1), { ok: false, value: 90, empty: false });
  assert.deepEqual(judge(fast, 1), { ok: true, value: 10, empty: false });
  assert.equal(fast.abortOnFail, true);
});

test('without samples a share passes and the rest is judged as 0, and both say that they are empty', () => {
  const metrics = registry();
  const judged = bindThresholds(
    readThresholds({ drops: ['count==0', 'count>0', 'rate<1'], good: ['rate>0.9'], level: ['value>3'] }),
    metrics,
  ).map(threshold => judge(threshold, 10));
  assert.deepEqual(
    judged.map(({ ok, empty }) => [ok, empty]),
    [
      [true, false],
      [false, false],
      [true, false],
      [true, true],
      [false, true],
    ],
  );
});

test('a trend without samples is 0: too little of it fails, too much does not', () => {
  const hits = readThresholds({ latency: ['avg>=0.8', 'p(99)<500'] });
  assert.deepEqual(
    bindThresholds(hits, registry()).map(threshold => judge(threshold, 10).ok),
    [false, true],
  );
});

test('what does not fit is refused before the run, by name', () => {
  const wrong: [unknown, RegExp][] = [
    [{ nothing: ['avg<1'] }, /no metric 'nothing'/],
    [{ latency: ['rate<1'] }, /does not fit a trend, which has avg, min, max, med, p\(N\)/],
    [{ drops: ['p(95)<1'] }, /does not fit a counter/],
    [{ latency: 'avg<1' }, /needs an array/],
    [{ latency: [{}] }, /no `threshold` text/],
    [{ latency: [{ threshold: 'avg<1', delayAbortEval: 'soon' }] }, /no duration/],
    [{ latency: [{ threshold: 'avg<1', abortOnFale: true }] }, /has 'abortOnFale'; it may have threshold, /],
  ];
  for (const [thresholds, message] of wrong) {
    assert.throws(
      () => bindThresholds(readThresholds(thresholds), registry()),
      (error: unknown) =>
        error instanceof RunFailure && error.exitCode === 104 && message.test(error.message),
    );
  }
});
