/** Whether an engine is well enough to be given work. A pure state machine over outcomes and probes. */

export interface EngineHealth {
  readonly state: 'well' | 'sick';
  /** Exponentially weighted share of failed requests, 0–1. */
  readonly errorRate: number;
  /** Failures in a row. */
  readonly streak: number;
  /** Good probes in a row while sick. */
  readonly goodProbes: number;
  /** Bad probes in a row while well. */
  readonly badProbes: number;
}

export const WELL: EngineHealth = { state: 'well', errorRate: 0, streak: 0, goodProbes: 0, badProbes: 0 };

const LEARN = 0.15;
const SICK_STREAK = 3;
const SICK_RATE = 0.5;
const PROBES_TO_REJOIN = 2;
const PROBES_TO_LEAVE = 2;
/** Factor on the error rate after each second with a good probe. */
const FORGIVE = 0.9;

/**
 * After a request was answered or failed. Requests count, not attempts: the same one failing again says nothing new of the engine.
 * The client's own mistakes (4xx) count as success.
 */
export function afterRequest(health: EngineHealth, ok: boolean): EngineHealth {
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

/** After a probe of the engine's `/health`. */
export function afterProbe(health: EngineHealth, ok: boolean): EngineHealth {
  if (!ok) {
    const badProbes = health.badProbes + 1;
    const sick = health.state === 'sick' || badProbes >= PROBES_TO_LEAVE;
    return { ...health, badProbes, goodProbes: 0, state: sick ? 'sick' : 'well' };
  }
  // Without work nothing would ever lower the rate again.
  if (health.state === 'well') return { ...health, badProbes: 0, errorRate: health.errorRate * FORGIVE };
  const goodProbes = health.goodProbes + 1;
  // Part of the error rate stays, so that one more streak of failures makes it sick again quickly.
  if (goodProbes >= PROBES_TO_REJOIN) return { ...WELL, errorRate: Math.min(health.errorRate, 0.3) };
  return { ...health, goodProbes, badProbes: 0 };
}
