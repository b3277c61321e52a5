/** Does a script find what k6 documents? */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../../loadtest/k6-runner/run.ts';
import { scriptDirectory, startTarget } from '../../../testkit/load-target.ts';

const lines = () => {
  const written: string[] = [];
  return { written, write: (text: string) => void written.push(text) };
};

test('VUs have their own module variables, and all know what they are part of', async () => {
  await using scripts = await scriptDirectory();
  await scripts.script(
    'export let calls = 0;\nexport function call(): number { return ++calls; }\n',
    'counter.ts',
  );
  await scripts.script('[1, 2, 3]', 'data.json');
  const path = await scripts.script(`
import exec from 'k6/execution';
import { check, group } from 'k6';
import { SharedArray } from 'k6/data';
import { Counter } from 'k6/metrics';
import { call } from './counter.ts';
const shared = new SharedArray('numbers', () => JSON.parse(open('./data.json')));
const seen = new Counter('seen');
export const options = {
  scenarios: {
    a: { executor: 'per-vu-iterations', vus: 3, iterations: 2, env: { WHO: 'scenario' }, tags: { lane: 'x' } },
  },
  thresholds: { 'seen{lane:x,own:1}': ['count==6'], checks: ['rate==1'] },
};
export function setup() { return { list: [1] }; }
export default function (data: { list: number[] }): void {
  const round = call();
  data.list.push(round);
  exec.vu.metrics.tags['own'] = 1;
  group('numbers', () => {
    check(null, {
      'variables are of this VU': () => round === __ITER + 1 && round === exec.vu.iterationInScenario + 1,
      'setup data is a copy': () => data.list.length === 2,
      'env of the scenario': () => __ENV.WHO === 'scenario' && __ENV.OUTER === 'yes',
      'numbers are shared and frozen': () => shared.length === 3 && Object.isFrozen(shared),
      'names': () => exec.scenario.name === 'a' && exec.vu.idInTest === __VU,
    });
  });
  seen.add(1);
}
export function teardown(data: { list: number[] }): void { console.log('teardown', data.list); }
export function handleSummary(data) {
  return { stdout: JSON.stringify(data.root_group), [__ENV.FILE]: JSON.stringify(data) };
}`);
  const [stdout, stderr] = [lines(), lines()];
  const file = join(scripts.directory, 'out', 'summary.json');
  const result = await run(path, { env: { OUTER: 'yes', FILE: file }, stdout, stderr });
  assert.deepEqual(result.problems, []);
  assert.match(stderr.written.join(''), /INFO teardown \[ 1 \]/);
  const root = JSON.parse(stdout.written.join(''));
  assert.equal(root.groups[0].name, 'numbers');
  assert.ok(root.groups[0].checks.every((check: { passes: number }) => check.passes === 6));
  const data = JSON.parse(await readFile(file, 'utf8'));
  assert.equal(data.metrics['seen{lane:x,own:1}'].values.count, 6);
  assert.deepEqual(data.metrics.checks.thresholds, { 'rate==1': { ok: true } });
  assert.equal(data.metrics.group_duration.type, 'trend');
});

test('requests: bodies, answers, redirects, timeouts, expected statuses', async () => {
  await using target = await startTarget(async ({ request, response, body }) => {
    const { pathname } = new URL(request.url ?? '', 'http://x');
    if (pathname === '/moved') response.writeHead(302, { location: '/echo' }).end();
    else if (pathname === '/abroad') {
      response.writeHead(302, { location: `http://localhost:${request.socket.localPort}/echo` }).end();
    } else if (pathname === '/slow') setTimeout(() => response.end(), 5000).unref();
    else if (pathname === '/missing') response.writeHead(404).end('{"error":{"code":"nope"}}');
    else {
      response.setHeader('x-type', request.headers['content-type'] ?? '');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ method: request.method, body, key: request.headers['authorization'] }));
    }
  });
  await using scripts = await scriptDirectory();
  const path = await scripts.script(`
import http from 'k6/http';
import { check } from 'k6';
export const options = { iterations: 1, thresholds: { checks: ['rate==1'], 'http_reqs{name:short}': ['count==1'] } };
const url = (path) => __ENV.TARGET + path;
export default async function () {
  const sent = await http.asyncRequest('POST', url('/echo'), '{"a":1}', {
    headers: { authorization: 'Bearer k' }, tags: { name: 'short' },
  });
  const form = await http.asyncRequest('POST', url('/echo'), { purpose: 'batch', file: http.file('x', 'f.jsonl') });
  const moved = await http.asyncRequest('POST', url('/moved'), 'x', { headers: { Authorization: 'Bearer k' } });
  const abroad = await http.asyncRequest('GET', url('/abroad'), null, { headers: { Authorization: 'Bearer k' } });
  const stayed = await http.asyncRequest('POST', url('/moved'), 'x', { redirects: 0 });
  const late = await http.asyncRequest('GET', url('/slow'), null, { timeout: '100ms' });
  const gone = await http.asyncRequest('GET', url('/missing'), null, { responseCallback: http.expectedStatuses(404) });
  const none = await http.asyncRequest('GET', url('/echo'), null, { responseType: 'none' });
  const bytes = await http.asyncRequest('GET', url('/echo'), null, { responseType: 'binary' });
  const dead = await http.asyncRequest('GET', 'http://127.0.0.1:1/');
  const plain = await http.asyncRequest('GET', url('/echo').replace('http:', 'https:'));
  check(null, {
    sent: () => sent.json('body') === '{"a":1}' && sent.json('key') === 'Bearer k' && sent.status_text === '200 OK',
    timings: () => sent.timings.duration > 0 && sent.timings.waiting <= sent.timings.duration,
    form: () => form.headers['X-Type'].startsWith('multipart/form-data') && form.json().body.includes('f.jsonl'),
    moved: () => moved.status === 200 && moved.json('method') === 'GET' && moved.url === url('/echo'),
    home: () => moved.json('key') === 'Bearer k',
    abroad: () => abroad.status === 200 && abroad.json('key') === undefined,
    plain: () => plain.status === 0 && plain.error === 'tls: wrong version number' && plain.error_code === 1310,
    stayed: () => stayed.status === 302,
    late: () => late.status === 0 && late.error_code === 1050 && late.body === null,
    gone: () => gone.status === 404 && gone.error_code === 1404 && gone.error === '',
    none: () => none.body === null,
    bytes: () => bytes.body instanceof ArrayBuffer,
    dead: () => dead.status === 0 && dead.error_code === 1212,
  });
}`);
  const [stdout, stderr] = [lines(), lines()];
  const out = join(scripts.directory, 'samples.json');
  const result = await run(path, { env: { TARGET: target.url }, stdout, stderr, jsonOutput: out });
  assert.deepEqual(result.problems, [], stdout.written.join(''));
  assert.match(stdout.written.join(''), /✓ 'rate==1' rate=1/);
  assert.match(stderr.written.join(''), /WARN request failed: GET .*: request timeout/);
  const samples = (await readFile(out, 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  const failed = samples.filter(({ type, metric }) => type === 'Point' && metric === 'http_req_failed');
  // Thirteen exchanges, two of them hops; what timed out, was refused and spoke no TLS failed.
  assert.equal(failed.length, 13);
  assert.equal(failed.filter(({ data }) => data.value === 1).length, 3);
  assert.equal(samples.find(({ type }) => type === 'Metric').metric, 'http_reqs');
  assert.ok(failed.every(({ data }) => data.tags.scenario === 'default' && data.tags.method !== undefined));
});

test('event streams: the first token and the gaps between tokens are measured, however early the headers come', async () => {
  const GAP_MS = 60;
  await using target = await startTarget(async ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    for (let token = 0; token < 6; token++) {
      await new Promise(resolve => setTimeout(resolve, GAP_MS));
      response.write(`data: {"choices":[{"delta":{"content":"${token}"}}]}\n\n`);
    }
    response.end('data: [DONE]\n\n');
  });
  await using scripts = await scriptDirectory();
  const path = await scripts.script(`
import http from 'k6/http';
export const options = {
  scenarios: { s: { executor: 'constant-arrival-rate', rate: 10, duration: '1s', preAllocatedVUs: 10 } },
  summaryTrendStats: ['count', 'avg', 'min'],
  thresholds: { 'llm_itl{model:m}': ['avg>0'] },
};
export default async function () { await http.asyncRequest('POST', __ENV.TARGET, '{}', { tags: { model: 'm' } }); }`);
  const { summary, problems } = await run(path, { env: { TARGET: target.url }, maxLateMs: 60_000 });
  assert.deepEqual(problems, []);
  const values = (name: string) => summary?.metrics[name]?.values ?? {};
  assert.equal(values('llm_first_token')['count'], 10);
  assert.equal(values('llm_itl{model:m}')['count'], 50);
  const stat = (name: string, of: 'avg' | 'min') => values(name)[of] ?? Number.NaN;
  assert.ok(stat('llm_first_token', 'min') > GAP_MS - 5, `first ${stat('llm_first_token', 'min')}`);
  assert.ok(stat('llm_itl', 'avg') > GAP_MS - 5, `between ${stat('llm_itl', 'avg')}`);
  // A busy machine stretches all gaps; the whole request is never shorter than its parts.
  const parts = stat('llm_first_token', 'avg') + 5 * stat('llm_itl', 'avg');
  assert.ok(parts <= stat('http_req_duration', 'avg') + 1, `${parts} of ${stat('http_req_duration', 'avg')}`);
  assert.ok(stat('http_req_waiting', 'avg') <= stat('llm_first_token', 'avg'));
  assert.ok(stat('http_req_waiting', 'min') < GAP_MS / 2, 'the headers came before the first token');
});
