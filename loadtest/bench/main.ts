/**
 * `npm run bench`: what Penstock costs and adds, beside the same load sent straight to the engine in the same run. With the name
 * of a part, that part alone is measured, and takes its place among the figures of the last whole run.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { API_KEY, chat, type Stack, startStack } from '../../testkit/stack.ts';
import { measureSimulator } from '../simulator/speed.ts';
import { measureBigBatch } from './big-batch.ts';
import { measureConsole } from './console.ts';
import { measureEncryption } from './costs/encryption.ts';
import { measureTracing } from './costs/tracing.ts';
import { cpuSeconds } from './measure/cpu.ts';
import { type LoadOptions, type LoadResult, quantile, runLoad } from './measure/load.ts';
import { measureOpenStreams } from './open-streams.ts';
import { measureParity } from './parity.ts';
import { measureReactions } from './reactions.ts';
import { type BenchCase, type BenchReport, type Machine, renderMarkdown } from './report.ts';
import { measureResumes } from './resumes.ts';
import { measureRevocations } from './revocations.ts';
import { measureWebhooks } from './webhooks.ts';

const RESULT = new URL('../results/bench.json', import.meta.url).pathname;
const PAGE = new URL('../../docs/benchmarks.md', import.meta.url).pathname;
const say = (line: string) => process.stdout.write(`${line}\n`);

interface Plan extends LoadOptions {
  readonly name: string;
  readonly warmUp: number;
  /** Whether an engine alone gets the same load beside it. Default true. */
  readonly compared?: boolean;
}

const plain = JSON.stringify(chat('Hello', { max_tokens: 8 }));
const streamed = JSON.stringify(chat('Hello', { max_tokens: 16, stream: true }));
/** Against engines that answer at once: only the path counts. */
const INSTANT: Plan[] = [
  { name: 'plain, 1 client', body: plain, concurrency: 1, requests: 2000, warmUp: 500 },
  { name: 'plain, 64 clients', body: plain, concurrency: 64, requests: 30_000, warmUp: 5000 },
  ...accepted('accepted for later (202)'),
];
/** A spike that the engines will work off for a while: what jobs are for. The machine is not busy running them meanwhile. */
const SPIKE: Plan[] = accepted('accepted (202), engines need their time').map(plan => ({
  ...plan,
  compared: false,
}));
/** Against engines that take a few ms a token: sixteen deltas travel one by one. */
const PACED: Plan[] = [
  { name: 'stream of 16, 400 clients', body: streamed, concurrency: 400, requests: 20_000, warmUp: 2000 },
];

function accepted(name: string): Plan[] {
  const plan = {
    body: plain,
    headers: { prefer: 'respond-async' },
    concurrency: 64,
    requests: 20_000,
    warmUp: 2000,
  };
  return [
    { ...plan, name: `${name}, 64 clients` },
    { ...plan, name: `${name}, 2,500/s on 64 connections`, perSecond: 2500 },
  ];
}

type Part = Exclude<keyof BenchReport, 'machine' | 'alone'>;

/** In the order in which they are measured. */
const PARTS: { readonly [P in Part]: () => Promise<BenchReport[P]> } = {
  cases: async () => [
    ...(await measure('instant', INSTANT, 200)),
    ...(await measure('dense-70b-h100x4', SPIKE, 64)),
    ...(await measure('dense-8b-h100', PACED, 200)),
  ],
  openStreams: () => measureOpenStreams(10_000),
  bigBatch: () => measureBigBatch(50_000),
  webhooks: measureWebhooks,
  reactions: measureReactions,
  resumes: measureResumes,
  revocations: measureRevocations,
  tracing: measureTracing,
  encryption: measureEncryption,
  console: measureConsole,
  simulated: async () => measureSimulator(),
  parity: measureParity,
};

const [wanted, ...more] = process.argv.slice(2);
const names = Object.keys(PARTS) as Part[];
const only = names.find(name => name === wanted);
if (more.length > 0 || (wanted !== undefined && only === undefined)) {
  process.stderr.write(
    `penstock: npm run bench takes the name of one part at most (${names.join(', ')}), not ${process.argv.slice(2).join(' ')}. ` +
      'Without one it measures for some ten minutes and writes docs/benchmarks.md anew.\n',
  );
  process.exit(2);
}
if (only !== undefined && !existsSync(RESULT)) {
  process.stderr.write(`penstock: ${RESULT} is missing: run npm run bench without a name first.\n`);
  process.exit(2);
}
process.env['PENSTOCK_TEST_NATS_SERVER'] = await ensureNatsServer();
process.env['PENSTOCK_TEST_REDIS_SERVER'] = await ensureRedisServer();
const report = only === undefined ? await measureAll() : await measureOnly(only);
mkdirSync(new URL('../results/', import.meta.url).pathname, { recursive: true });
writeFileSync(RESULT, `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(PAGE, renderMarkdown(report));
say(renderMarkdown(report));

function thisMachine(): Machine {
  const cpu = cpus()[0]?.model ?? 'unknown';
  return { cpu, cores: cpus().length, node: process.version, loadAverage: loadavg()[0] ?? 0 };
}

async function measureAll(): Promise<BenchReport> {
  const report: Partial<Record<Part, unknown>> = {};
  const machine = thisMachine();
  for (const name of names) {
    say(`measuring ${name}`);
    report[name] = await PARTS[name]();
  }
  return { ...report, machine, alone: {} } as BenchReport;
}

async function measureOnly(name: Part): Promise<BenchReport> {
  const last = JSON.parse(readFileSync(RESULT, 'utf8')) as BenchReport;
  const machine = thisMachine();
  return { ...last, [name]: await PARTS[name](), alone: { ...last.alone, [name]: machine } };
}

async function measure(profile: string, plans: readonly Plan[], slots: number): Promise<BenchCase[]> {
  await using stack = await startStack({
    engines: [{ profile }, { profile }],
    workerEnv: { PENSTOCK_SLOTS: String(slots) },
  });
  const results: BenchCase[] = [];
  for (const plan of plans) {
    say(`measuring ${plan.name}`);
    results.push(await measureOne(stack, plan));
  }
  return results;
}

async function measureOne(stack: Stack, plan: Plan): Promise<BenchCase> {
  const through = { url: stack.url, apiKey: API_KEY };
  const direct = { url: stack.engines[0]?.url ?? '', apiKey: API_KEY };
  await runLoad(through, { ...plan, requests: plan.warmUp });
  const isCompared = plan.compared ?? true;
  if (isCompared) await runLoad(direct, { ...plan, requests: plan.warmUp });
  const before = cpuOf(stack);
  const own = await runLoad(through, plan);
  const after = cpuOf(stack);
  const bare = isCompared ? await runLoad(direct, plan) : null;
  const perRequest = (part: keyof typeof after) => ((after[part] - before[part]) * 1e6) / plan.requests;
  return {
    name: plan.name,
    penstock: figures(own),
    direct: bare === null ? null : figures(bare),
    cpuUs: {
      ingress: perRequest('ingress'),
      workers: perRequest('workers'),
      nats: perRequest('nats'),
      redis: perRequest('redis'),
    },
  };
}

function cpuOf(stack: Stack) {
  return {
    ingress: cpuSeconds(stack.ingress.pid),
    workers: stack.workers.reduce((sum, worker) => sum + cpuSeconds(worker.pid), 0),
    nats: cpuSeconds(stack.nats.pid),
    redis: cpuSeconds(stack.redis.pid),
  };
}

function figures(result: LoadResult) {
  return {
    errors: result.errors,
    requestsPerSecond: result.requests / result.seconds,
    firstByteP50Ms: quantile(result.firstByteMs, 0.5),
    firstByteP99Ms: quantile(result.firstByteMs, 0.99),
    totalP50Ms: quantile(result.totalMs, 0.5),
  };
}
