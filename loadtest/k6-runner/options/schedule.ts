/** When iterations of an open model start, and how many VUs a ramp wants: pure, in ms from the scenario's start. */

export interface Stage {
  readonly durationMs: number;
  /** Rate (per second) or number of VUs at the end of the stage. */
  readonly target: number;
}

/** Start k is at k / rate, the first one at 0; `rate × duration` starts in all. */
export function* constantArrivals(ratePerS: number, durationMs: number): Generator<number> {
  const gapMs = 1000 / ratePerS;
  // Half a nanosecond of slack: 3 × 100/3 is a little less than 100.
  for (let k = 0; k * gapMs < durationMs - 5e-7; k++) yield k * gapMs;
}

/**
 * The rate moves in a straight line to each stage's target. Start k (k = 1, 2, …) is where the area under the rate
 * reaches k, so the number of starts is the area, rounded down. A stage of no duration jumps.
 */
export function* rampingArrivals(startRatePerS: number, stages: readonly Stage[]): Generator<number> {
  let from = startRatePerS;
  let stageStart = 0;
  let before = 0;
  let next = 1;
  for (const { durationMs, target } of stages) {
    const seconds = durationMs / 1000;
    const area = ((from + target) / 2) * seconds;
    for (; next <= before + area + 1e-9; next++) {
      yield stageStart + 1000 * timeToArea(from, target, seconds, next - before);
    }
    before += area;
    stageStart += durationMs;
    from = target;
  }
}

/** Seconds after which ∫ (from + (to − from) t / T) dt = area. */
function timeToArea(from: number, to: number, seconds: number, area: number): number {
  const slope = (to - from) / seconds;
  if (Math.abs(slope) < 1e-12) return Math.min(seconds, area / from);
  // The root of slope/2 t² + from t − area, in the form that stays exact for small slopes.
  const root = Math.sqrt(Math.max(0, from * from + 2 * slope * area));
  return Math.min(seconds, (2 * area) / (from + root));
}

export interface VuStep {
  readonly atMs: number;
  readonly vus: number;
}

/** The moments at which the number of VUs changes: upwards when the line reaches a whole number, downwards likewise. */
export function rampSteps(startVus: number, stages: readonly Stage[]): VuStep[] {
  const steps: VuStep[] = [{ atMs: 0, vus: startVus }];
  let from = startVus;
  let stageStart = 0;
  for (const { durationMs, target } of stages) {
    const direction = Math.sign(target - from);
    for (let vus = from + direction; direction !== 0; vus += direction) {
      steps.push({ atMs: stageStart + (durationMs * (vus - from)) / (target - from), vus });
      if (vus === target) break;
    }
    stageStart += durationMs;
    from = target;
  }
  return steps;
}

export function totalMs(stages: readonly Stage[]): number {
  return stages.reduce((sum, stage) => sum + stage.durationMs, 0);
}
