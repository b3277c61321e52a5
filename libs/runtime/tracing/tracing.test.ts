import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startOtlpReceiver } from '../../../testkit/telemetry/otlp-receiver.ts';
import { ConfigError } from '../read-config.ts';
import { requestAttributes, requestSpanName } from './spans.ts';
import { startTracing } from './tracing.ts';
import { readTracingSettings } from './tracing-settings.ts';

const ABOUT = { service: 'worker', instance: 'w-1', version: '1.2.3', region: 'eu' };
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`, tracestate: 'a=1' };
const REQUEST = { id: 'r1', endpoint: 'chat', model: 'm', stream: true, maxTokens: null } as const;

test('tracing is off unless a collector is named, and mistakes are named with what to write', async () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };
  for (const env of [
    {},
    { OTEL_TRACES_SAMPLER: 'always_on' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_TRACES_SAMPLER: '', OTEL_TRACES_SAMPLER_ARG: '' },
    { ...endpoint, OTEL_SDK_DISABLED: 'true' },
    { ...endpoint, OTEL_TRACES_EXPORTER: 'none' },
  ])
    assert.equal(await startTracing(ABOUT, env), null);
  assert.deepEqual(
    { ...readTracingSettings({ ...endpoint, OTEL_RESOURCE_ATTRIBUTES: 'k=a%20b,team=x' }), batch: null },
    {
      url: 'http://127.0.0.1:1/v1/traces',
      ...{ protocol: 'http/protobuf', sampler: 'parentbased_always_on', ratio: 1, serviceName: undefined },
      ...{ resource: { k: 'a b', team: 'x' }, batch: null },
    },
  );
  const mistakes: [env: Record<string, string>, told: RegExp][] = [
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, /OTEL_TRACES_SAMPLER: use always_on/],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL: use http\/protobuf, http\/json/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, /OTEL_EXPORTER_OTLP_ENDPOINT: give the collector/],
    [{ OTEL_TRACES_SAMPLER_ARG: '10%' }, /OTEL_TRACES_SAMPLER_ARG: use a number from 0 to 1/],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'nothing' }, /OTEL_RESOURCE_ATTRIBUTES: use key=value/],
  ];
  for (const [env, told] of mistakes)
    assert.throws(
      () => readTracingSettings({ ...endpoint, ...env }),
      (err: Error) => err instanceof ConfigError && told.test(err.message),
    );
});

test('the SDK is loaded by nothing but tracing that is on', () => {
  for (const file of ['spans.ts', 'tracing.ts', 'tracing-settings.ts']) {
    const source = readFileSync(new URL(file, import.meta.url), 'utf8');
    assert.doesNotMatch(source, /^import (?!type )[^;]*@opentelemetry/m, file);
  }
});

/** Far longer than a busy machine takes to send a few spans. */
const BUSY_MS = 30_000;

test('spans come to the collector as one trace, under the one that the client began', async t => {
  const receiver = await startOtlpReceiver();
  t.after(() => receiver.stop());
  const tracing = await startTracing(ABOUT, receiver.env);
  assert.ok(tracing);
  const attributes = { ...requestAttributes(REQUEST), left: undefined };
  const top = tracing.begin(
    { name: requestSpanName('chat', 'm'), role: 'server', at: 5000, attributes },
    PARENT,
  );
  assert.equal(top.traceId, TRACE_ID);
  assert.match(top.context.traceparent, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
  assert.equal(top.context.tracestate, 'a=1');
  // Another process goes on with what a header told it.
  const part = tracing.begin({ name: 'part', role: 'consumer', at: 5001.5 }, top.context);
  part.fail('engine_error', 'the engine failed');
  part.end(5002);
  top.child({ name: 'within', at: 5003 }).end(5004);
  top.event('first token');
  top.end(6000);
  // Twice is once.
  top.end(7000);
  await tracing.stop(BUSY_MS);
  const [first, second, third] = receiver.trace(TRACE_ID);
  assert.equal(receiver.spans.length, 3);
  assert.deepEqual(
    { ...first, spanId: '' },
    {
      ...{ service: 'penstock-worker', traceId: TRACE_ID, spanId: '', parentId: 'b7ad6b7169203331' },
      ...{ name: 'chat m', kind: 'server', startMs: 5000, endMs: 6000, hasFailed: false },
      attributes: {
        ...{ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'penstock' },
        ...{ 'gen_ai.request.model': 'm', 'gen_ai.request.stream': true, 'penstock.request.id': 'r1' },
      },
      events: ['first token'],
    },
  );
  assert.deepEqual([second?.parentId, second?.kind, second?.hasFailed], [first?.spanId, 'consumer', true]);
  assert.equal(second?.attributes['error.type'], 'engine_error');
  assert.deepEqual([third?.parentId, third?.kind, third?.name], [first?.spanId, 'internal', 'within']);
});

test('what is not sampled is passed on as such, and nothing of it is sent', async t => {
  const receiver = await startOtlpReceiver();
  t.after(() => receiver.stop());
  const env = { ...receiver.env, OTEL_TRACES_SAMPLER: 'parentbased_always_off' };
  const tracing = await startTracing(ABOUT, env);
  assert.ok(tracing);
  const top = tracing.begin({ name: 'a' });
  assert.match(top.context.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.equal(top.child({ name: 'b' }), top);
  top.end();
  // A header that is none begins a trace of its own.
  assert.notEqual(tracing.begin({ name: 'c' }, { traceparent: '00-1-2-3' }).traceId, '1');
  // The client's word counts.
  tracing.begin({ name: 'd' }, PARENT).end();
  await tracing.stop(BUSY_MS);
  assert.deepEqual(
    receiver.spans.map(({ name }) => name),
    ['d'],
  );
});

test('a collector that is away holds nothing up, and is told of', async () => {
  // Of the exporter, which reads it itself.
  process.env['OTEL_EXPORTER_OTLP_TIMEOUT'] = '50';
  const { promise: told, resolve: trouble } = Promise.withResolvers<string>();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_BSP_SCHEDULE_DELAY: '1' };
  const tracing = await startTracing({ ...ABOUT, trouble }, env);
  assert.ok(tracing);
  tracing.begin({ name: 'lost' }).end();
  assert.notEqual(await told, '');
  await tracing.stop(10);
});
