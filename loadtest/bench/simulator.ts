/** How fast the simulator is: short prompts without prefixes over a thousand workers, Penstock's own rules. */
import { policyOf } from '../sim/policies.ts';
import { simulate } from '../sim/simulate.ts';
import { generateSystemPrompts } from '../traces/generate.ts';

const WORKERS = 1000;
/** Times the workload's own rate, so that a thousand workers have something to do. */
const LOAD = 40;
const ROUNDS = 3;

export interface SimulatorFigures {
  readonly workers: number;
  readonly requestsPerSecond: number;
}

/** The best of three: the first run also compiles. */
export function measureSimulator(): SimulatorFigures {
  const requests = generateSystemPrompts(1).map(request => ({
    ...request,
    atMs: request.atMs / LOAD,
    inputTokens: 600,
    blocks: [],
  }));
  const fleet = Array.from({ length: WORKERS }, () => 1);
  const rates = Array.from({ length: ROUNDS }, () => {
    const startedAt = performance.now();
    simulate({ policy: policyOf('penstock'), requests, profile: 'dense-8b-h100', fleet });
    return requests.length / ((performance.now() - startedAt) / 1000);
  });
  return { workers: WORKERS, requestsPerSecond: Math.max(...rates) };
}
