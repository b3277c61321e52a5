/** How fast the simulator is: Penstock's own rules over a thousand workers, short prompts with nothing in common, and long ones that begin alike. */
import { cpus, loadavg } from 'node:os';
import { generateSystemPrompts } from '../workloads/generate.ts';
import type { TraceRequest } from '../workloads/trace.ts';
import { policyOf } from './policies.ts';
import { simulate } from './simulate.ts';

const WORKERS = 1000;
/** Times the workload's own rate, so that a thousand workers have something to do. */
const LOAD = 40;
const ROUNDS = 8;

export interface SimulatorFigures {
  readonly workers: number;
  readonly requestsPerSecond: number;
  /** The same where nearly every prompt's beginning is in some worker's cache: each is matched and weighed. */
  readonly prefixedPerSecond: number;
  readonly processor: string;
  /** Mean number of processes that ran or waited to run meanwhile, and processors for them. */
  readonly loadAverage: number;
  readonly processors: number;
}

export function measureSimulator(): SimulatorFigures {
  const requests = generateSystemPrompts(1).map(request => ({ ...request, atMs: request.atMs / LOAD }));
  return {
    workers: WORKERS,
    requestsPerSecond: rateOf(requests.map(request => ({ ...request, inputTokens: 600, blocks: [] }))),
    prefixedPerSecond: rateOf(requests),
    processor: cpus()[0]?.model ?? 'unknown',
    loadAverage: loadavg()[0] ?? 0,
    processors: cpus().length,
  };
}

export function renderSpeed({ workers, requestsPerSecond, prefixedPerSecond }: SimulatorFigures): string {
  return `${workers} workers, Penstock's rules, one core: ${requestsPerSecond.toFixed(0)} short requests simulated per second;
${prefixedPerSecond.toFixed(0)} where nearly all prompts begin alike and every placement is weighed.`;
}

/** For each second of processor time, in the fastest round: the first ones also compile. */
function rateOf(requests: readonly TraceRequest[]): number {
  const fleet = Array.from({ length: WORKERS }, () => 1);
  const rates = Array.from({ length: ROUNDS }, () => {
    const startedAt = process.cpuUsage();
    simulate({ policy: policyOf('penstock'), requests, profile: 'dense-8b-h100', fleet });
    const { user, system } = process.cpuUsage(startedAt);
    return requests.length / ((user + system) / 1e6);
  });
  return Math.max(...rates);
}
