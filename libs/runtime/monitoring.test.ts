import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { BoundedLabel, MetricSet, OTHER } from './metrics.ts';
import { startMonitoring } from './monitoring.ts';

const ABOUT = { service: 'worker', version: '1.2.3' };

/** A monitoring port on a free port of this machine, and what it answers. */
async function start(notReady: () => string | null = () => null) {
  const metrics = new MetricSet(ABOUT);
  const monitoring = await startMonitoring({ host: '127.0.0.1', port: 0, metrics, notReady });
  const get = async (path: string, method = 'GET') => {
    const answer = await fetch(monitoring.url + path, { method });
    return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') };
  };
  return { metrics, monitoring, get };
}

test('a process says how it is, and why it is not ready', async () => {
  let problem: string | null = 'no connection to NATS';
  const { get, monitoring } = await start(() => problem);
  assert.deepEqual(await get('/readyz'), {
    ...{ status: 503, text: '{"status":"no connection to NATS"}\n', type: 'application/json' },
  });
  assert.equal((await get('/livez')).status, 200);
  problem = null;
  for (const path of ['/readyz', '/healthz', '/health?verbose=1'])
    assert.equal((await get(path)).status, 200);
  assert.deepEqual(await get('/readyz', 'HEAD'), { status: 200, text: '', type: 'application/json' });
  await monitoring.close();
});

test('metrics are read when somebody asks, and what is not known is left out', async () => {
  const { metrics, monitoring, get } = await start();
  let value: number | null = 3;
  metrics.gauge('penstock_things', 'Things.', () => value);
  metrics.gauges('penstock_parts', 'Parts.', ['kind'], () =>
    value === null ? [] : [[{ kind: 'a' }, value]],
  );
  const { text, type } = await get('/metrics');
  assert.match(type ?? '', /^text\/plain/);
  assert.match(text, /^penstock_build_info\{service="worker",version="1.2.3"\} 1$/m);
  assert.match(text, /^penstock_things 3$/m);
  assert.match(text, /^penstock_parts\{kind="a"\} 3$/m);
  assert.match(text, /^process_cpu_seconds_total /m);
  value = null;
  assert.doesNotMatch((await get('/metrics')).text, /^penstock_(things|parts)/m);
  await monitoring.close();
});

test('a bucket names a trace to those who ask in the format that can', async () => {
  const { metrics, monitoring } = await start();
  const histogram = metrics.tracedHistogram('penstock_wait_seconds', 'Waits.', [1, 2], 'lane');
  metrics.counter('penstock_things_total', 'Things.').inc(2);
  histogram.observe({ lane: 'a' }, 0.5, 'abc');
  histogram.observe({ lane: 'a' }, 1.5, null);
  const scrape = async (accept: string) =>
    (await fetch(`${monitoring.url}/metrics`, { headers: { accept } })).text();
  const formats = ['application/openmetrics-text;version=1.0.0,text/plain;q=0.5', '*/*'];
  // Several at once, in both formats, do not get into each other's way.
  const [open = '', plain = ''] = await Promise.all([...formats, ...formats].map(scrape));
  assert.match(open, /^penstock_wait_seconds_bucket\{le="1",lane="a"\} 1 # \{trace_id="abc"\} 0\.5 \d+/m);
  assert.match(open, /^penstock_wait_seconds_bucket\{le="2",lane="a"\} 2$/m);
  for (const text of [open, plain]) assert.match(text, /^penstock_things_total 2$/m);
  assert.match(open, /# TYPE penstock_things counter\n.*# EOF\n$/s);
  assert.doesNotMatch(plain, /trace_id|EOF/);
  assert.match(plain, /^# TYPE penstock_things_total counter$/m);
  await monitoring.close();
});

test('nothing else is answered, and nothing that comes in harms it', async () => {
  const { get, monitoring } = await start();
  assert.equal((await get('/')).status, 404);
  assert.equal((await get('/v1/chat/completions', 'POST')).status, 405);
  const { port } = new URL(monitoring.url);
  const socket = connect(Number(port), '127.0.0.1');
  const closed = new Promise(resolve => socket.on('close', resolve));
  socket.on('error', () => {});
  socket.resume();
  socket.write('\u0000\u0001 nonsense\r\n\r\n');
  await closed;
  assert.equal((await get('/livez')).status, 200);
  await assert.rejects(
    startMonitoring({
      host: '127.0.0.1',
      port: Number(port),
      metrics: new MetricSet(ABOUT),
      notReady: () => null,
    }),
    /EADDRINUSE/,
  );
  await monitoring.close();
});

test('a label has no more values than its bound', () => {
  const label = new BoundedLabel(2);
  assert.deepEqual(
    ['a', 'b', 'a', 'c', 'b'].map(value => label.of(value)),
    ['a', 'b', 'a', OTHER, 'b'],
  );
});
