/**
 * Whether an engine is well enough to be given work. A pure state machine over requests, probes and trials.
 *
 * A request that fails says at first nothing of the engine: the prompt may be what it cannot stand, and prompts come in many. So the
 * engine is asked something harmless, a **trial**. If it answers, the failures are held against the prompts and cost nobody else
 * anything. If it fails that too, it is *in doubt*: its failures count at once, until enough trials in a row have passed.
 */

export interface EngineHealth {
  readonly state: 'well' | 'sick';
  /** Exponentially weighted share of requests that failed by the engine's fault, 0–1. */
  readonly errorRate: number;
  /** Such failures in a row. */
  readonly streak: number;
  /** Failures that no trial has judged yet. */
  readonly unjudged: number;
  /** Trials that have to pass before failures are held against the prompts again; 0 for an engine that is not in doubt. */
  readonly doubt: number;
  /** Good probes in a row while sick. */
  readonly goodProbes: number;
  /** Bad probes in a row while well. */
  readonly badProbes: number;
}

export const WELL: EngineHealth = {
  ...{ state: 'well', errorRate: 0, streak: 0, unjudged: 0, doubt: 0 },
  ...{ goodProbes: 0, badProbes: 0 },
};

const LEARN = 0.15;
const SICK_STREAK = 3;
const SICK_RATE = 0.5;
const PROBES_TO_REJOIN = 2;
const PROBES_TO_LEAVE = 2;
/** An engine that fails every third request passes so many trials in a row once in eight times. */
const TRIALS_TO_TRUST = 5;
/** Factor on the error rate after each second with a good probe. */
const FORGIVE = 0.9;

/**
 * After a request was answered or failed. Requests count, not attempts: the same one failing again says nothing new of the engine.
 * The client's own mistakes (4xx) count as success.
 */
export function afterRequest(health: EngineHealth, ok: boolean): EngineHealth {
  if (!ok && health.doubt === 0) return { ...health, unjudged: health.unjudged + 1 };
  return count(health, ok);
}

/** Whether to ask the engine something harmless now. */
export function wantsTrial({ unjudged, doubt }: EngineHealth): boolean {
  return unjudged > 0 || doubt > 0;
}

/** `unknown`: the engine refused the trial, so it shows nothing. */
export type TrialOutcome = 'passed' | 'failed' | 'unknown';

/** After a trial. What shows nothing leaves failures as the engine's. One that judges no failure only keeps the engine in doubt. */
export function afterTrial(health: EngineHealth, outcome: TrialOutcome): EngineHealth {
  if (outcome === 'passed') return { ...health, unjudged: 0, doubt: Math.max(0, health.doubt - 1) };
  const failures = health.unjudged === 0 ? 0 : health.unjudged + (outcome === 'failed' ? 1 : 0);
  let judged: EngineHealth = {
    ...health,
    unjudged: 0,
    doubt: outcome === 'failed' ? TRIALS_TO_TRUST : health.doubt,
  };
  for (let i = 0; i < failures; i++) judged = count(judged, false);
  return judged;
}

function count(health: EngineHealth, ok: boolean): EngineHealth {
  const errorRate = health.errorRate + LEARN * ((ok ? 0 : 1) - health.errorRate);
  const streak = ok ? 0 : health.streak + 1;
  const sick = health.state === 'sick' || streak >= SICK_STREAK || errorRate > SICK_RATE;
  return {
    ...health,
    errorRate,
    streak,
    state: sick ? 'sick' : 'well',
    goodProbes: ok ? health.goodProbes : 0,
  };
}

/** After a probe of the engine's `/health`. One that comes back stays in doubt. */
export function afterProbe(health: EngineHealth, ok: boolean): EngineHealth {
  if (!ok) {
    const badProbes = health.badProbes + 1;
    const sick = health.state === 'sick' || badProbes >= PROBES_TO_LEAVE;
    return { ...health, badProbes, goodProbes: 0, state: sick ? 'sick' : 'well' };
  }
  // Without work nothing would ever lower the rate again.
  if (health.state === 'well') return { ...health, badProbes: 0, errorRate: health.errorRate * FORGIVE };
  const goodProbes = health.goodProbes + 1;
  if (goodProbes < PROBES_TO_REJOIN) return { ...health, goodProbes, badProbes: 0 };
  // Part of the error rate stays, so that one more streak of failures makes it sick again quickly.
  const { unjudged, doubt } = health;
  return { ...WELL, unjudged, doubt, errorRate: Math.min(health.errorRate, 0.3) };
}
