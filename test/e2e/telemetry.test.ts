/** What those see who watch the processes of a stack: metrics, probes, traces, trails of requests. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, test } from 'node:test';
import { toSecret } from '@penstock/protocol';
import { RedisAuditLog } from '@penstock/transport';
import { batchesOf, lineOf } from '../../testkit/batches.ts';
import { freePort } from '../../testkit/ports.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { chunk, DONE, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, post, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';
import { type ReceivedSpan, startOtlpReceiver } from '../../testkit/telemetry/otlp-receiver.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
/** Long enough that it is looked up who holds its beginning. */
const LONG = 'A secret question. '.repeat(500);
const ASKED = { model: 'scripted', messages: [{ role: 'user', content: 'A secret question' }] };
const COMPLETION = {
  ...{ id: 'chatcmpl-x', object: 'chat.completion', created: 1, model: 'scripted' },
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 4, completion_tokens: 7, total_tokens: 11 },
};
/** Whoever asks for this breaks the engine. */
const BROKEN = 13;
const OTHER_KEY = 'sk-another-tenant';
const engine = await startScriptedEngine(async function* ({ body }) {
  if (body['seed'] === BROKEN) return yield 'data: {"error":{"message":"out of memory","code":500}}\n\n';
  if (body['stream'] !== true) return yield JSON.stringify(COMPLETION);
  yield chunk({ role: 'assistant', content: 'Hello' });
  yield chunk({ content: ' you' });
  yield chunk({}, 'stop') + DONE;
});
const collector = await startOtlpReceiver();
const webhooks = await startReceiver();
const [ingressPort, workerPort, tasksPort] = [await freePort(), await freePort(), await freePort()];
const allow = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1', ...collector.env };
const sampled = { PENSTOCK_TRAIL_SAMPLE: '1' };
const hook = { api_key: API_KEY, url: `${webhooks.url}/all`, secret: toSecret(Buffer.alloc(32, 9)) };
const stack = await startStack({
  engineUrls: [engine.url],
  ingressEnv: {
    ...{ ...allow, ...sampled, PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` },
    ...{ PENSTOCK_METRICS_PORT: String(ingressPort), PENSTOCK_API_MONITORING: 'probes' },
    PENSTOCK_ACCESS_LOG: 'on',
  },
  workerEnv: { ...collector.env, ...sampled, PENSTOCK_METRICS_PORT: String(workerPort) },
  tasksEnv: { ...allow, PENSTOCK_METRICS_PORT: String(tasksPort), PENSTOCK_WEBHOOKS: JSON.stringify([hook]) },
});
await whenAllHeard(stack);
after(async () => {
  await stack[Symbol.asyncDispose]();
  await Promise.all([collector.stop(), webhooks[Symbol.asyncDispose](), engine.close()]);
});
const ingress = `http://127.0.0.1:${ingressPort}`;
const worker = `http://127.0.0.1:${workerPort}`;
const tasks = `http://127.0.0.1:${tasksPort}`;
const text = async (url: string) => (await fetch(url)).text();
const service = (span: ReceivedSpan) => span.service.replace('penstock-', '');

/** The spans of a trace once they have all come, each with the name of the span that it is part of. */
async function traceOf(traceId: string, count: number) {
  await waitFor(() => collector.trace(traceId).length >= count);
  const spans = collector.trace(traceId);
  const nameOf = (id: string) => spans.find(({ spanId }) => spanId === id)?.name ?? '';
  const find = (name: string) => spans.find(span => span.name === name) ?? assert.fail(`no span ${name}`);
  const shape = spans.map(span => `${service(span)} ${span.kind}: ${nameOf(span.parentId)} > ${span.name}`);
  return { spans, find, shape: shape.sort() };
}

test('one stream is one trace, from the client through ingress, queue and worker to the engine', async () => {
  const headers = { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01`, tracestate: 'a=1' };
  const asked = { ...ASKED, stream: true, messages: [{ role: 'user', content: LONG }] };
  const answer = await post(stack, '/v1/chat/completions', asked, { headers });
  assert.match(await answer.text(), /Hello.*\[DONE\]/s);
  const { shape, find, spans } = await traceOf(TRACE_ID, 8);
  assert.deepEqual(shape, [
    'ingress internal: chat scripted > place',
    'ingress producer: chat scripted > publish work.local.scripted.interactive',
    'ingress server:  > chat scripted',
    'worker client: process work.local.scripted.interactive > chat scripted',
    'worker consumer: chat scripted > process work.local.scripted.interactive',
    'worker internal: chat scripted > decode',
    'worker internal: chat scripted > prefill',
    'worker internal: chat scripted > wait in queue',
  ]);
  const top = spans.find(({ kind }) => kind === 'server');
  assert.equal(top?.parentId, '00f067aa0ba902b7');
  assert.deepEqual(top?.events, ['first token']);
  const { 'gen_ai.response.time_to_first_chunk': ttft, ...attributes } = top?.attributes ?? {};
  assert.ok(typeof ttft === 'number' && ttft > 0);
  assert.deepEqual(
    Object.entries(attributes).filter(([key]) => !/time|tokens/.test(key)),
    Object.entries({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'penstock',
      'gen_ai.request.model': 'scripted',
      'gen_ai.request.stream': true,
      'penstock.request.id': attributes['penstock.request.id'],
      'penstock.lane': 'interactive',
      'penstock.size': 'short',
      'penstock.placement.kind': 'shared',
      'penstock.placement.reason': 'no_match',
      'penstock.outcome': 'done',
      'penstock.attempts': 1,
    }),
  );
  assert.ok(answer.headers.get('x-request-id')?.includes(String(attributes['penstock.request.id'])));
  const call = spans.find(({ kind }) => kind === 'client');
  assert.equal(call?.attributes['server.port'], Number(new URL(engine.url).port));
  assert.equal(find('place').attributes['penstock.placement.reason'], 'no_match');
  // The engine's own spans join: it is told of the call's span.
  const told = engine.calls.at(-1)?.headers;
  assert.deepEqual(
    [told?.['traceparent'], told?.['tracestate']],
    [`00-${TRACE_ID}-${call?.spanId}-01`, 'a=1'],
  );
  assert.ok(find('wait in queue').endMs <= find('prefill').startMs);
  assert.ok(find('prefill').endMs <= find('decode').startMs + 0.01);
  const scrape = { headers: { accept: 'application/openmetrics-text' } };
  const shown = await (await fetch(`${ingress}/metrics`, scrape)).text();
  assert.match(shown, new RegExp(`time_to_first_token_seconds_bucket\\{.* # \\{trace_id="${TRACE_ID}"\\}`));
  assert.doesNotMatch(JSON.stringify(collector.spans), /secret|sk-penstock/);
});

test('what the client does not sample is not recorded, but passed on', async () => {
  const id = TRACE_ID.replace('4b', '5b');
  const headers = { traceparent: `00-${id}-00f067aa0ba902b7-00` };
  await (await post(stack, '/v1/chat/completions', { ...ASKED, stream: true }, { headers })).text();
  assert.match(String(engine.calls.at(-1)?.headers['traceparent']), new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
  assert.equal(collector.trace(id).length, 0);
});

test('a job, its webhook and the lines of a batch are found by their ids', async () => {
  const { id } = (await (
    await post(stack, '/v1/chat/completions', ASKED, { headers: { prefer: 'respond-async' } })
  ).json()) as { id: string };
  const about = (key: string, value: string) =>
    collector.spans.filter(({ attributes }) => String(attributes[key] ?? '').includes(value));
  const bare = id.replace(/^[a-z]+_/, '');
  await waitFor(() =>
    about('penstock.request.id', bare).some(({ name }) => name === 'deliver job.completed'),
  );
  await waitFor(() => about('penstock.request.id', bare).length >= 4);
  assert.deepEqual(
    about('penstock.request.id', bare)
      .map(span => `${service(span)} ${span.kind} ${span.name}`)
      .sort(),
    [
      'ingress server chat scripted',
      'tasks client deliver job.completed',
      'worker client chat scripted',
      'worker consumer process work.local.scripted.background',
    ],
  );
  const accepted = about('penstock.request.id', bare).find(({ kind }) => kind === 'server');
  const { shape } = await traceOf(accepted?.traceId ?? '', 5);
  assert.ok(shape.includes('worker internal: chat scripted > prefill'), shape.join('\n'));
  const batches = batchesOf(sdk(stack));
  const batch = await batches.begin(['a', 'b'].map(name => `${lineOf(name, ASKED)}\n`).join(''));
  assert.equal((await batches.whenOver(batch.id)).status, 'completed');
  await waitFor(() => about('penstock.batch.id', batch.id).length >= 3);
  const spans = about('penstock.batch.id', batch.id);
  const [line, other] = spans.filter(({ kind }) => kind === 'producer');
  assert.equal(spans.find(({ name }) => name === 'batch')?.attributes['penstock.batch.completed'], 2);
  assert.notEqual(line?.traceId, other?.traceId);
  const ofLine = await traceOf(line?.traceId ?? '', 5);
  assert.ok(ofLine.shape.includes('worker consumer: chat scripted > process work.local.scripted.batch'));
  assert.equal(
    ofLine.spans.find(({ kind }) => kind === 'client')?.attributes['gen_ai.usage.output_tokens'],
    7,
  );
});

test('a worker shows that it is ready, and what it did', async () => {
  await waitFor(async () => (await fetch(`${worker}/readyz`)).ok);
  const shown = await text(`${worker}/metrics`);
  assert.match(shown, /^penstock_engine_healthy 1$/m);
  assert.match(shown, /^penstock_worker_attempts_total\{model="scripted",outcome="done"\} 5$/m);
  assert.match(shown, /^penstock_worker_deliveries_total\{outcome="taken"\} 5$/m);
  assert.match(shown, /^penstock_engine_time_to_first_token_seconds_count\{model="scripted"\} 5$/m);
  assert.match(shown, /^penstock_worker_bid_level\{lane="interactive",size="short"\} \d$/m);
  const ofIngress = await text(`${ingress}/metrics`);
  const labels = String.raw`\{model="scripted",lane="interactive"\}`;
  for (const name of ['time_to_first_token', 'request_queue_time', 'e2e_request_latency'])
    assert.match(ofIngress, new RegExp(`^penstock_${name}_seconds_count${labels} 2$`, 'm'));
  assert.match(ofIngress, /^penstock_model_workers\{model="scripted"\} 1$/m);
});

test('an ingress shows its metrics at their own port alone, and logs each answer without what its client wrote', async () => {
  assert.equal((await fetch(`${stack.url}/readyz`)).status, 200);
  assert.equal((await fetch(`${stack.url}/metrics`)).status, 404);
  assert.equal((await fetch(`${ingress}/readyz`)).status, 200);
  assert.equal((await fetch(`${ingress}/v1/models`)).status, 404);
  const headers = { authorization: 'Bearer sk-what-nobody-has' };
  const refused = await fetch(`${stack.url}/v1/files/file-x?after=hunter22`, { headers });
  const id = refused.headers.get('x-penstock-request-id') ?? assert.fail();
  const lines = () => stack.ingress.output.filter(line => line.includes('"msg":"access"'));
  await waitFor(() => lines().some(line => line.includes(id)));
  const line = JSON.parse(lines().find(each => each.includes(id)) ?? '');
  assert.deepEqual(
    [line.method, line.route, line.status, line.project],
    ['GET', '/v1/files/:id', 401, undefined],
  );
  assert.match(lines().join(), /"route":"\/v1\/chat\/completions","status":200.*"project":"/);
  assert.doesNotMatch(stack.ingress.output.join(), /hunter22|livez|readyz/);
  await using audit = await auditOf(stack.redis.url);
  const noted = await audit.list(10);
  const key = noted.find(({ action }) => action === 'key.use');
  assert.deepEqual([key?.who, key?.ip, key?.failures], ['nobody', '127.0.0.1', ['invalid_api_key']]);
  const begun = noted.filter(({ action }) => action === 'process.start').map(({ who }) => who);
  assert.ok(begun.includes('in-1'), String(begun));
  assert.equal(noted.find(({ who }) => who === 'in-1')?.settings?.['PENSTOCK_API_KEYS'], '(set)');
});

async function auditOf(url: string) {
  const log = await RedisAuditLog.connect({ url, name: 'test' }, { region: 'local', days: 1 });
  return Object.assign(log, { [Symbol.asyncDispose]: () => log.close() });
}

interface Told {
  readonly status: string;
  readonly events: readonly { kind: string; text: string; after_ms: number; tenant?: string }[];
}
const told = async (id: string, key = API_KEY) =>
  fetch(`${stack.url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
/** Once it is there. */
async function whenTold(id: string, kind: string, times = 1): Promise<Told> {
  let found: Told | null = null;
  await waitFor(async () => {
    const answer = await told(id);
    found = answer.ok ? ((await answer.json()) as Told) : null;
    return (found?.events.filter(event => event.kind === kind).length ?? 0) >= times;
  });
  return found ?? assert.fail();
}
const kinds = ({ events }: Told) => events.map(({ kind }) => kind).join(' ');

test('a request is told as what happened to it, to whoever made it', async () => {
  const answer = await post(stack, '/v1/chat/completions', { ...ASKED, stream: true });
  await answer.text();
  const id = answer.headers.get('x-penstock-request-id') ?? '';
  const life = await whenTold(`req_${id}`, 'ended');
  assert.deepEqual([life.status, kinds(life)], ['ended', 'accepted placed queued taken first_token ended']);
  assert.match(
    life.events[0]?.text ?? '',
    /^accepted by in-1: chat for scripted, interactive, short, about \d+ prompt tokens$/,
  );
  assert.match(life.events[3]?.text ?? '', /^taken by w-1 as attempt 1, after \d+ ms in the queue$/);
  assert.doesNotMatch(JSON.stringify(life), /secret|tenant/);
  assert.equal((await told(id, OTHER_KEY)).status, 404);
  assert.equal((await told('nobody')).status, 404);
});

test('a request that fails is told with the reasons, and so is a job', async () => {
  const failing = { ...ASKED, seed: BROKEN };
  const answer = await post(stack, '/v1/chat/completions', { ...failing, stream: true });
  await answer.text();
  const id = answer.headers.get('x-penstock-request-id') ?? '';
  const life = await whenTold(id, 'ended');
  assert.equal(kinds(life).match(/taken/g)?.length, 3);
  assert.match(life.events.at(-1)?.text ?? '', /given up: it failed on every attempt after .*out of memory/);
  const job = (await (
    await post(
      stack,
      '/v1/chat/completions',
      { ...failing, stream: true },
      { headers: { prefer: 'respond-async' } },
    )
  ).json()) as { id: string };
  // The record is final a moment before the worker has told of its last attempt.
  await whenTold(job.id, 'attempt_failed', 3);
  assert.equal((await whenTold(job.id, 'ended')).status, 'failed');
  const main = new URL('../../deploy/explain/main.ts', import.meta.url).pathname;
  const explain = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>(resolve => {
      const env = { ...process.env, NODE_OPTIONS: '', PENSTOCK_REDIS_URL: stack.redis.url };
      execFile(process.execPath, [main, ...args], { env }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  const [shown, asJson, unknown] = await Promise.all([
    explain(job.id),
    explain(id, '--json'),
    explain('nobody'),
  ]);
  assert.equal(shown?.code, 0, shown?.err);
  assert.match(shown?.out ?? '', /^job \w+ of scripted: failed, attempt 3$/m);
  assert.match(shown?.out ?? '', / ms {2}attempt failed at w-1 \(failed\): .*out of memory/);
  assert.equal(JSON.parse(asJson?.out ?? '{}').events.at(-1).kind, 'ended');
  assert.equal(unknown?.code, 1);
});

test('a tasks process shows that it is ready, and what it sees of the region', async () => {
  await waitFor(async () => (await fetch(`${tasks}/readyz`)).ok);
  const lines = [
    // What failed above.
    /^penstock_dead_letters [1-9]/m,
    /^penstock_queue_size\{model="scripted",lane="interactive"\} 0$/m,
    /^penstock_queue_oldest_age_seconds\{model="scripted",lane="interactive"\} 0$/m,
    /^penstock_stream_limit_bytes\{shard="0"\} 2147483648$/m,
    /^penstock_redis_used_bytes \d+$/m,
    /^penstock_webhook_deliveries\{state="waiting"\} 0$/m,
    /^penstock_batch_lines_total\{outcome="completed"\} 2$/m,
    /^penstock_webhook_outbox_events 0$/m,
    /^penstock_webhook_outbox_age_seconds 0$/m,
  ];
  // Each is looked at by itself: one may be known before another.
  let missing = lines;
  const isComplete = async () => {
    const shown = await text(`${tasks}/metrics`);
    missing = lines.filter(line => !line.test(shown));
    return missing.length === 0;
  };
  await waitFor(isComplete).catch((err: unknown) => {
    throw new Error(`not shown: ${missing.join(', ')}`, { cause: err });
  });
});

test('a worker whose engine is away says so, and the fleet has one less', async () => {
  await engine.close();
  await waitFor(async () => (await fetch(`${worker}/readyz`)).status === 503);
  assert.match(await text(`${worker}/readyz`), /the engine is sick/);
  assert.equal((await fetch(`${worker}/livez`)).status, 200);
  await waitFor(async () =>
    /^penstock_model_workers\{model="scripted"\} 0$/m.test(await text(`${ingress}/metrics`)),
  );
});
