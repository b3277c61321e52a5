/** `npm run plan -- --fairness`: what each of several projects gets, and how long it waits, while one of them sends far more than the others. */
import { costOf } from '@penstock/policy';
import { quantile } from '../workloads/summary.ts';
import type { TraceRequest } from '../workloads/trace.ts';
import type { DoorsOptions } from './penstock/doors.ts';
import { penstock } from './penstock/penstock.ts';
import { simulate } from './simulate.ts';
import { type Tenant, tenantsTrace } from './tenants.ts';

const PROFILE = 'dense-70b-h100x4';
const ENGINES = 10;
const CHAT = { maxInputTokens: 32_768, maxOutputTokens: 400 };
const SHORT = { maxInputTokens: 600, maxOutputTokens: 400 };
const OTHERS = ['a', 'b', 'c', 'd'];

/** What became of one project's requests. */
export interface Served {
  readonly requests: number;
  /** Of what all were served while requests arrived, by {@link costOf}, 0–1. */
  readonly share: number;
  /** Until a worker took it, s. */
  readonly waitP50S: number;
  readonly waitP99S: number;
  readonly ttftP99S: number;
}

export interface FairnessRun {
  readonly byOwner: ReadonlyMap<string, Served>;
  /** When the last request had its first token, s. */
  readonly drainedS: number;
}

export interface FairnessCase {
  readonly tenants: readonly Tenant[];
  readonly short?: boolean;
  readonly doors: DoorsOptions | null;
}

export function runFairness({ tenants, short = false, doors }: FairnessCase, seconds: number): FairnessRun {
  const requests = tenantsTrace(tenants, short ? SHORT : CHAT, seconds);
  const fleet = Array.from({ length: ENGINES }, () => 1);
  const result = simulate({ policy: penstock({ doors }), requests, profile: PROFILE, fleet });
  const waits = (i: number) => (result.waitMs[i] ?? 0) / 1000;
  const cost = ({ inputTokens, outputTokens }: TraceRequest) => costOf(inputTokens, outputTokens);
  const isInTime = (i: number) => (requests[i]?.atMs ?? 0) / 1000 + waits(i) < seconds;
  const costs = requests.map((request, i) => (isInTime(i) ? cost(request) : 0));
  const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0);
  const all = sum(costs);
  const byOwner = new Map<string, Served>();
  for (const { owner } of tenants) {
    const own = [...requests.keys()].filter(i => requests[i]?.owner === owner);
    const sorted = (of: (i: number) => number) => own.map(of).sort((a, b) => a - b);
    const wait = sorted(waits);
    byOwner.set(owner, {
      requests: own.length,
      share: sum(own.map(i => costs[i] ?? 0)) / all,
      waitP50S: quantile(wait, 0.5),
      waitP99S: quantile(wait, 0.99),
      ttftP99S: quantile(
        sorted(i => (result.ttftMs[i] ?? 0) / 1000),
        0.99,
      ),
    });
  }
  const ends = requests.map(({ atMs }, i) => atMs + (result.ttftMs[i] ?? 0));
  return { byOwner, drainedS: ends.reduce((most, at) => Math.max(most, at), 0) / 1000 };
}

/** Four projects and one that sends so many times as much as each of them. */
export function flooded(load: number, times: number): Tenant[] {
  return [...OTHERS.map(owner => ({ owner, load })), { owner: 'flood', load: load * times }];
}

const ONE_NODE: DoorsOptions = { nodes: 1 };
const NODES = [1, 2, 4];

interface Row {
  readonly name: string;
  readonly run: FairnessRun;
}

function render(rows: readonly Row[]): string {
  const cells = rows.flatMap(({ name, run }) => {
    const others = OTHERS.flatMap(owner => run.byOwner.get(owner) ?? []);
    const most = (of: (each: Served) => number) => Math.max(...others.map(of)).toFixed(2);
    const flood = run.byOwner.get('flood');
    const share = (of: number) => `${(100 * of).toFixed(1)} %`;
    const ofOthers = others.map(each => share(each.share)).join(', ');
    const ofFlood = flood === undefined ? '' : `${share(flood.share)} | ${flood.waitP50S.toFixed(0)}`;
    return `| ${name} | ${ofOthers} | ${most(each => each.waitP50S)} / ${most(each => each.waitP99S)} | ${most(each => each.ttftP99S)} | ${ofFlood || ' | '} | ${run.drainedS.toFixed(0)} |`;
  });
  return [
    '| | shares of a, b, c, d | their wait p50 / p99, s | their TTFT p99, s | share of the fifth | its wait p50, s | all done after, s |',
    '|---|---|---|---|---|---|---|',
    ...cells,
  ].join('\n');
}

interface Section {
  readonly title: string;
  readonly about: string;
  readonly load: number;
  /** What the fifth sends so that the fleet is just full, as a multiple of what each of the others does. */
  readonly fullAt: number;
  readonly short: boolean;
}

const TIMES = 50;

function section({ title, about, load, fullAt, short }: Section, seconds: number): string {
  const run = (tenants: readonly Tenant[], doors: DoorsOptions | null) =>
    runFairness({ tenants, short, doors }, seconds);
  const many = flooded(load, TIMES);
  const rows: Row[] = [
    { name: 'the four alone', run: run(many.slice(0, -1), ONE_NODE) },
    { name: `× ${fullAt}: the fleet is just full`, run: run(flooded(load, fullAt), ONE_NODE) },
    { name: `× ${TIMES}, first come, first served`, run: run(many, null) },
    ...NODES.map(nodes => ({
      name: `× ${TIMES}, in shares, ingress nodes: ${nodes}`,
      run: run(many, { nodes }),
    })),
  ];
  return `## ${title}\n${about}\n\n${render(rows)}`;
}

/** All of them have more than their share to do. */
function weights(seconds: number): string {
  const of: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3, d: 4 };
  const tenants = OTHERS.map(owner => ({ owner, load: 24 }));
  const weightOf = (owner: string) => of[owner] ?? 1;
  const rows = NODES.map(nodes => {
    const { byOwner } = runFairness({ tenants, short: true, doors: { nodes, weightOf } }, seconds / 4);
    const shares = OTHERS.map(owner => `${(100 * (byOwner.get(owner)?.share ?? 0)).toFixed(1)} %`);
    return `| ${nodes} | ${shares.join(' | ')} |`;
  });
  return [
    '| ingress nodes | a, weight 1 | b, weight 2 | c, weight 3 | d, weight 4 |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** One project alone, that sends more than the fleet can do. */
function alone(seconds: number): string {
  const rows = [false, true].map(short => {
    const tenants = [{ owner: 'a', load: short ? 100 : 12.5 }];
    const [off, on] = [null, ONE_NODE].map(doors => runFairness({ tenants, short, doors }, seconds).drainedS);
    const ratio = ((100 * (off ?? 0)) / (on ?? 1)).toFixed(1);
    return `| ${short ? 'short prompts' : 'chat'} | ${off?.toFixed(0)} | ${on?.toFixed(0)} | ${ratio} % |`;
  });
  return [
    '| | first come, first served: done after, s | in shares, s | pace |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

const CHAT_SECTION: Section = {
  ...{ title: 'Chat', load: 0.25, fullAt: 5, short: false },
  about:
    'Prompts of up to 32,768 tokens (7,000 in the middle), answers of up to 400: computing prompts is what takes time.',
};
const SHORT_SECTION: Section = {
  ...{ title: 'Short prompts', load: 2, fullAt: 14, short: true },
  about:
    'Prompts of up to 600 tokens, answers of up to 400: engines are full of answers, and slots are what is short.',
};

const FAIRNESS_SECONDS = 300;

/** @param seconds of the workload. */
export function renderFairness(seconds = FAIRNESS_SECONDS): string {
  return [
    section(CHAT_SECTION, seconds),
    section(SHORT_SECTION, seconds),
    `## Weights\nFour projects send as much each, all more than their share; short prompts.\n\n${weights(seconds)}`,
    `## Nothing is left idle\nOne project alone sends far more than the fleet can do.\n\n${alone(seconds)}`,
  ].join('\n\n');
}
