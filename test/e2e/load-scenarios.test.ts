/** Every load scenario, shortened, by the project's runner against a real stack; `npm run load` and its report; bad input. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SCENARIOS, type ScenarioName } from '../../loadtest/cli/arguments.ts';
import type { LoadResult, Summary } from '../../loadtest/cli/result.ts';
import { ensureChromium, startBrowser } from '../../testkit/browser/chromium.ts';
import { freePort } from '../../testkit/ports.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { API_KEY, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RUNNER = join(ROOT, 'loadtest/k6-runner/main.ts');
const LOAD = join(ROOT, 'loadtest/cli/main.ts');
/** The machine of a test may be busy: what is tested is that scenarios work, not how fast it is. */
const PATIENT = {
  SLO_TTFT_MS: '10000',
  SLO_TPOT_MS: '1000',
  SLO_ACCEPT_MS: '10000',
  TIMEOUT: '30s',
  VUS: '40',
  MAX_OUTPUT_TOKENS: '100',
};

/** Shortened to seconds. */
const SHORT: Record<ScenarioName, Record<string, string>> = {
  smoke: { RATE: '4', DURATION: '2s' },
  load: { RATE: '8', DURATION: '3s' },
  stress: { RATE: '10', DURATION: '5s' },
  spike: { RATE: '2', DURATION: '4s' },
  soak: { RATE: '6', DURATION: '4s' },
  breakpoint: { RATE: '20', DURATION: '4s' },
  'async-submit': { RATE: '5', DURATION: '2s' },
  batch: { RATE: '10', DURATION: '3s' },
  affinity: { RATE: '2', DURATION: '3s', THINK_SCALE: '0.001', MAX_TURNS: '3', MIN_CACHE_HIT: '0.3' },
  mixed: { RATE: '5', DURATION: '6s', LINES: '60' },
};

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly summary: Summary | null;
}

let stack: Stack;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let directory = '';
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'penstock-load-test-'));
  receiver = await startReceiver();
  const allow = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
  const engine = { timeScale: 3 };
  stack = await startStack({ engines: [engine, engine], ingressEnv: allow, tasksEnv: allow });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** @param begun may end it early. */
async function node(
  args: string[],
  env: Record<string, string> = {},
  begun: (child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const summaryFile = join(directory, `summary-${Math.random().toString(36).slice(2)}.json`);
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env, SUMMARY: summaryFile, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', data => {
    stdout += data;
  });
  child.stderr.on('data', data => {
    stderr += data;
  });
  begun(child);
  const code = await new Promise<number>(done => child.on('close', exit => done(exit ?? -1)));
  let summary: Summary | null = null;
  try {
    summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary;
  } catch {
    // The run did not get to its end.
  }
  return { code, stdout, stderr, summary };
}

function runScript(
  name: string,
  env: Record<string, string> = {},
  begun?: (child: ChildProcess) => void,
): Promise<Ended> {
  const target = { PENSTOCK_URL: stack.url, PENSTOCK_KEY: API_KEY };
  const args = [RUNNER, join(ROOT, `loadtest/k6/${name}.ts`), '--quiet', '--max-late', '30s'];
  return node(args, { ...PATIENT, ...target, ...env }, begun);
}

describe('scenarios', { concurrency: 3 }, () => {
  for (const name of Object.keys(SCENARIOS) as ScenarioName[]) {
    test(name, async () => {
      const { code, stdout, stderr, summary } = await runScript(name, SHORT[name]);
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      assert.ok(summary);
      const value = (metric: string, stat: string) => summary.metrics[metric]?.values[stat] ?? Number.NaN;
      assert.ok(value('llm_output_tokens', 'count') > 0, 'no tokens');
      assert.ok(value('llm_e2e', 'count') > 0, 'no answers');
      assert.match(stdout, /thresholds\nok {5}/);
      assert.doesNotMatch(stdout, /FAILED/);
      check(name, value);
    });
  }
  test('mixed, interrupted, leaves no batch behind', async () => {
    const lines = 3001;
    const { code } = await runScript('mixed', { RATE: '2', DURATION: '6s', LINES: `${lines}` }, child => {
      void batchOf(lines, ['in_progress']).then(() => child.kill('SIGINT'));
    });
    assert.equal(code, 105);
    await batchOf(lines, ['cancelling', 'cancelled']);
  });
  test('async-submit, completed by webhook', async () => {
    const env = { ...SHORT['async-submit'], WEBHOOK_URL: `${receiver.url}/told` };
    const { code, stdout, stderr, summary } = await runScript('async-submit', env);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.equal(summary?.metrics['llm_webhook']?.values['count'], 10);
    // Jobs of other scenarios that end meanwhile are told of as well.
    assert.ok(new Set(receiver.to('/told').map(({ event }) => event.data.id)).size >= 10);
  });
});

interface Batch {
  readonly status: string;
  readonly request_counts: { readonly total: number };
}

/** The batch of so many lines, as soon as there is one in one of these states. */
async function batchOf(lines: number, states: readonly string[]): Promise<void> {
  await waitFor(async () => {
    const reply = await fetch(`${stack.url}/v1/batches`, { headers: { authorization: `Bearer ${API_KEY}` } });
    const { data } = (await reply.json()) as { data: Batch[] };
    return data.some(({ status, request_counts: { total } }) => total === lines && states.includes(status));
  });
}

/** What only some of them can tell. */
function check(name: ScenarioName, value: (metric: string, stat: string) => number): void {
  const streams = !['async-submit', 'batch'].includes(name);
  if (streams) {
    assert.ok(value('llm_ttft', 'min') > 0);
    assert.ok(value('llm_queue_wait', 'count') === value('llm_ttft', 'count'));
    assert.ok(value('llm_ttft', 'med') < value('llm_e2e', 'med'));
  }
  if (name === 'smoke') assert.equal(value('llm_output_tokens', 'count'), 16 * value('llm_e2e', 'count'));
  if (name === 'load') assert.ok(Math.abs(value('llm_e2e', 'count') - 24) <= 4);
  if (name === 'spike') assert.ok(value('llm_e2e', 'count') > 1.5 * 2 * 4);
  if (name === 'affinity') assert.ok(value('llm_cache_hit', 'count') > 0);
  if (name === 'batch') assert.equal(value('llm_batch_lines', 'count'), 30);
  if (name === 'async-submit') assert.ok(value('llm_accept', 'p(99)') > 0);
}

test('a failed threshold ends with 99 and is shown', async () => {
  const { code, stdout } = await runScript('smoke', { RATE: '4', DURATION: '1s', SLO_TTFT_MS: '0.001' });
  assert.equal(code, 99);
  assert.match(stdout, /FAILED {2}llm_ttft\{lane:interactive\}/);
});

describe('bad input is one line and no zero', { concurrency: 3 }, () => {
  const cases: [string, () => Promise<Ended>, RegExp][] = [
    [
      'wrong key',
      () => runScript('smoke', { PENSTOCK_KEY: 'sk-wrong' }),
      /refuses the API key \(401\): set PENSTOCK_KEY/,
    ],
    [
      'wrong model',
      () => runScript('smoke', { MODEL: 'gpt-9' }),
      /no model gpt-9: set MODEL to one of .*sim-chat/,
    ],
    ['wrong duration', () => runScript('smoke', { DURATION: 'soon' }), /DURATION=soon: give a duration/],
    ['wrong rate', () => runScript('load', { RATE: '-1' }), /RATE=-1: give a number above 0/],
    [
      'wrong workload',
      () => runScript('load', { WORKLOAD: 'poems' }),
      /WORKLOAD=poems: use one of chat, code, long/,
    ],
    [
      'private webhook',
      () => runScript('async-submit', { WEBHOOK_URL: 'http://10.0.0.1/' }),
      /WEBHOOK_URL=http:\/\/10\.0\.0\.1\/ is refused: \S+/,
    ],
    [
      'nobody there',
      async () => runScript('smoke', { PENSTOCK_URL: `http://127.0.0.1:${await freePort()}` }),
      /cannot reach http:\/\/127\.0\.0\.1:\d+ .*Set PENSTOCK_URL/,
    ],
    [
      'no room for the result',
      () => node([LOAD, 'smoke', '--out', '/dev/null/here']),
      /load: --out \/dev\/null\/here: ENOTDIR/,
    ],
    [
      'no local stack',
      () =>
        node([LOAD, 'smoke', '--runner', '--out', directory], { PENSTOCK_TEST_NATS_SERVER: '/bin/false' }),
      /load: the local stack did not start: \/bin\/false .* ended with code 1\n$/,
    ],
    [
      'unknown scenario',
      () => node([LOAD, 'nonsense']),
      /load: no scenario nonsense: use one of smoke, load/,
    ],
  ];
  for (const [name, run, message] of cases) {
    test(name, async () => {
      const { code, stdout, stderr, summary } = await run();
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, message);
      assert.doesNotMatch(stdout + stderr, /sk-wrong|\n\s+at /, 'no stack traces, no keys');
      assert.equal(summary?.metrics['llm_e2e'], undefined);
    });
  }
});

test('a server that is not Penstock is recognised', async () => {
  const server = createServer((_, res) => res.end('<html>hello</html>'));
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, stdout, stderr } = await runScript('smoke', { PENSTOCK_URL: url });
    assert.notEqual(code, 0);
    assert.match(stdout + stderr, /answers 200, not a list of models: set PENSTOCK_URL/);
  } finally {
    server.close();
  }
});

test('npm run load: starts a stack, tells of it, keeps the result and a report that a browser draws', async t => {
  const out = join(directory, 'out');
  const args = [
    'smoke',
    '--max-late',
    '30s',
    '--rate',
    '10',
    '--duration',
    '3s',
    '--workers',
    '1',
    '--out',
    out,
  ];
  const ended = await node([LOAD, ...args, '-e', 'SLO_TTFT_MS=10000']);
  assert.equal(ended.code, 0, `${ended.stdout}\n${ended.stderr}`);
  // How much of it falls into which second is the machine's affair: all of it has to be there.
  assert.match(ended.stdout, /\d s {2}offered +\d+\.\d\/s/);
  const result = JSON.parse(readFileSync(join(out, 'smoke.json'), 'utf8')) as LoadResult;
  assert.equal(result.passed, true);
  assert.deepEqual(result.settings, { SLO_TTFT_MS: '10000', RATE: '10', DURATION: '3s' });
  const offered = result.timeline.moments.reduce((sum, moment) => sum + moment.offered, 0);
  const dropped = result.metrics['dropped_iterations']?.['count'] ?? 0;
  assert.equal(
    Math.round(offered * result.timeline.stepS),
    (result.metrics['llm_requests']?.['count'] ?? 0) + dropped,
  );
  const chromium = await ensureChromium();
  if (chromium === null) {
    t.diagnostic('the report was not opened: there is no chromium on the PATH, and only root may install it');
    return;
  }
  await openReport(chromium, join(out, 'smoke.html'));
});

test("npm run load takes the user's k6 from the PATH, as k6 wants to be called", async () => {
  // A stand-in: k6 itself is no part of this project. It takes k6's words and lets the runner do the work.
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh
[ "$1" = version ] && echo "k6 v2.9.9 (stand-in)" && exit
[ "$K6_NEW_MACHINE_READABLE_SUMMARY" = false ] || exit 4
[ "$1 $2 $3 $4" = "run --quiet --no-usage-report --out" ] || exit 3
exec "${process.execPath}" "${RUNNER}" run "$6" --quiet --out "$5" --max-late 30s
`;
  writeFileSync(join(bin, 'k6'), script, { mode: 0o755 });
  const out = join(directory, 'by-k6');
  const args = ['smoke', '--url', stack.url, '--rate', '5', '--duration', '2s', '--out', out];
  const env = { ...PATIENT, PENSTOCK_KEY: API_KEY, PATH: `${bin}:${process.env['PATH']}` };
  const { code, stdout, stderr } = await node([LOAD, ...args], env);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  const result = JSON.parse(readFileSync(join(out, 'smoke.json'), 'utf8')) as LoadResult;
  assert.equal(result.generator, 'k6 v2.9.9');
  assert.equal(result.metrics['llm_e2e']?.['count'], 10);
});

async function openReport(chromium: string, path: string): Promise<void> {
  await using browser = await startBrowser(chromium);
  const { page, errors } = await browser.open(`file://${path}`);
  assert.equal(await page.title(), 'Load test: smoke');
  // Five have lines; there are no errors to draw. A canvas that nobody drew on is all zeros.
  const painted = `[...document.querySelectorAll('.uplot canvas')].filter(canvas =>
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)).length`;
  assert.equal(await page.evaluate(painted), 5);
  assert.equal(await page.locator('#errors .none').textContent(), 'No errors.');
  assert.match(
    (await page.locator('#ttft .plot').getAttribute('aria-label')) ?? '',
    /p99 from [\d.,]+ to [\d.,]+ ms/,
  );
  assert.ok((await page.locator('#ttft tbody tr').count()) >= 3);
  const before = await page.screenshot({ fullPage: true });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))');
  assert.notDeepEqual(await page.screenshot({ fullPage: true }), before, 'dark looks like light');
  assert.deepEqual(errors, []);
  writeFileSync(join(path, '../smoke.png'), before);
}
