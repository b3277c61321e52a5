/** When to ask again about a stored run, and how soon it will begin. */
import { type Eta, estimateStart, pollRunning } from '@penstock/policy';
import { LANES, SIZES, type StoredRun } from '@penstock/protocol';
import type { SubmitDeps } from '../dispatch/submit.ts';

const LEAST_PAUSE_MS = 250;

export function pollHeaders(deps: SubmitDeps, run: StoredRun): Record<string, string> {
  if (run.status !== 'queued') {
    const pollMs = pollRunning(deps.clock.now() - run.createdAt);
    return { ...pauses(pollMs), 'x-penstock-queue-position': 'running', 'x-penstock-queue-eta-ms': '0' };
  }
  const { position, etaMs, pollMs } = etaOf(deps, run);
  return {
    // Past its deadline it has failed: that is worth asking about too.
    ...pauses(Math.min(pollMs, Math.max(LEAST_PAUSE_MS, run.deadlineAt - deps.clock.now()))),
    'x-penstock-queue-position': position,
    'x-penstock-queue-eta-ms': String(etaMs),
  };
}

function pauses(pollMs: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(pollMs / 1000)), 'openai-poll-after-ms': String(pollMs) };
}

/** The broker does not tell a message's place: all that waits in its lane counts as ahead of it. */
function etaOf(deps: SubmitDeps, run: StoredRun): Eta {
  const [, region = '', shard = '0', slug = '', laneText, sizeText] = run.subject.split('.');
  const lane = LANES.find(known => known === laneText) ?? 'background';
  const size = SIZES.find(known => known === sizeText) ?? 'any';
  const state = deps.lanes.state({ region, shard: Number(shard), slug, lane, size });
  return estimateStart(state, {
    ahead: state.pending,
    engineWaitS: deps.fleet.waitS(run.slug),
    slots: deps.fleet.slots(run.slug),
  });
}
