/** Penstock's own rules, asked as the scaler asks them. */
import { DEFAULT_RULES, GroupScaler, type PoolRules, type ScaleDecision } from '@penstock/policy';
import type { Autoscaler, FleetRules } from './autoscaler.ts';

const NONE = { waiting: 0, oldestS: 0 };

export function penstockScaler(
  { slots, startS }: FleetRules,
  patienceS: number,
  onDecision: (decision: ScaleDecision) => void = () => {},
): Autoscaler {
  const pool: PoolRules = {
    ...{ name: 'gpu', models: ['llama'], slots, speed: 1, pricePerHour: 0, startS },
    ...{ least: 0, most: 100_000, zeroAfterS: 900, schedule: [] },
  };
  const scaler = new GroupScaler([pool], { ...DEFAULT_RULES, patienceS });
  return {
    everyS: 5,
    decide({ s, ready, starting, running, waiting, oldestS, begun }) {
      const decision = scaler.decide({
        now: 1000 * s,
        seen: {
          pools: { gpu: { ready, starting, running } },
          lanes: { interactive: { waiting, oldestS }, background: NONE, batch: NONE },
          ...{ begun, ageS: 0 },
        },
        startS: () => startS,
        budget: Number.POSITIVE_INFINITY,
      });
      onDecision(decision);
      return decision.workers['gpu'] ?? 0;
    },
  };
}
