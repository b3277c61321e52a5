import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatElapsed, formatMs, parseDuration } from './duration.ts';

test('durations are read as k6 writes them', () => {
  assert.equal(parseDuration('1h2m3.5s'), 3_723_500);
  assert.equal(parseDuration('250ms'), 250);
  assert.equal(parseDuration('1d'), 86_400_000);
  assert.equal(parseDuration('0s'), 0);
  assert.equal(parseDuration(1500), 1500);
  assert.equal(parseDuration('1500'), 1500);
  for (const wrong of ['', 'soon', '5 s', '-1s', 's', '1x', Number.NaN, -1]) {
    assert.throws(() => parseDuration(wrong), /is no duration/);
  }
});

test('times are shown in the unit that reads best', () => {
  assert.deepEqual(
    [0.0132, 4.512, 1270, 125_000].map(ms => formatMs(ms)),
    ['13.2µs', '4.51ms', '1.27s', '2m5s'],
  );
  assert.equal(formatMs(1270, 'ms'), '1270.00ms');
  assert.equal(formatElapsed(65_040), '1m05.0s');
});
