/** `npm run bench`: what Penstock costs and adds, beside the same load sent straight to the engine in the same run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { takeNoArguments } from '../../deploy/local/no-arguments.ts';
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { API_KEY, chat, type Stack, startStack } from '../../testkit/stack.ts';
import { measureSimulator } from '../simulator/speed.ts';
import { measureBigBatch } from './big-batch.ts';
import { cpuSeconds } from './cpu.ts';
import { type LoadOptions, type LoadResult, quantile, runLoad } from './load.ts';
import { measureOpenStreams } from './open-streams.ts';
import { type BenchCase, renderMarkdown } from './report.ts';
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

takeNoArguments('npm run bench', 'It measures for some ten minutes and writes docs/benchmarks.md anew.');
process.env['PENSTOCK_TEST_NATS_SERVER'] = ensureNatsServer(say);
process.env['PENSTOCK_TEST_REDIS_SERVER'] = ensureRedisServer(say);
const cases = [
  ...(await measure('instant', INSTANT, 200)),
  ...(await measure('dense-70b-h100x4', SPIKE, 64)),
  ...(await measure('dense-8b-h100', PACED, 200)),
];
say('measuring 10,000 open streams: two minutes');
const openStreams = await measureOpenStreams(10_000);
say('measuring a batch of 50,000 lines: a minute or two');
const bigBatch = await measureBigBatch(50_000);
say('measuring webhooks');
const webhooks = await measureWebhooks();
say('measuring resumes from the stored log');
const resumes = await measureResumes();
const revocations = await measureRevocations();
const simulated = measureSimulator();
const report = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.version,
  cases,
  openStreams,
  bigBatch,
  webhooks,
  resumes,
  revocations,
  simulated,
};
mkdirSync(new URL('../results/', import.meta.url).pathname, { recursive: true });
writeFileSync(RESULT, `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(PAGE, renderMarkdown(report));
say(renderMarkdown(report));

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
