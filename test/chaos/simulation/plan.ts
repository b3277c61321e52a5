/** What happens in a simulation: who asks what and when, and what is done to whom. All of it follows from the seed. */
import { seeded } from '../../../libs/protocol/random.fixture.ts';

export type RequestKind = 'stream' | 'plain' | 'job' | 'events' | 'response';

export interface PlannedRequest {
  readonly name: string;
  readonly kind: RequestKind;
  /** ms from the beginning; also below. */
  readonly at: number;
  readonly words: number;
  readonly ingress: number;
  readonly timeoutMs: number;
  /** When its client leaves, or cancels it; null where it does not. */
  readonly leavesAt: number | null;
}

export type FaultKind =
  | 'kill worker'
  | 'stop worker'
  | 'kill ingress'
  | 'stop ingress'
  | 'kill nats'
  | 'stop nats'
  | 'kill redis'
  | 'stop redis'
  | 'refuse writes'
  | 'fail over redis'
  | 'cut worker from nats'
  | 'cut ingress from nats'
  | 'cut worker from redis'
  | 'cut ingress from redis'
  | 'break engine';

export interface Fault {
  readonly kind: FaultKind;
  readonly at: number;
  readonly ms: number;
  /** Which worker or ingress. */
  readonly index: number;
  /** How much of the latest a server forgets, ms. */
  readonly forgottenMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly workers: readonly {
    readonly slots: number;
    readonly continues: boolean;
    readonly wordMs: number;
    readonly firstMs: number;
  }[];
  readonly ingresses: number;
  readonly isBound: boolean;
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly Fault[];
}

/** Requests come, and faults begin, within this. */
export const FROM_MS = 700;
export const UNTIL_MS = 5000;

/** What a plan is limited to. */
export interface Focus {
  readonly faults: readonly FaultKind[];
  readonly kinds: readonly RequestKind[];
  /** Faults last for long, and so do answers. */
  readonly isLong?: boolean;
}

const ALL: Focus = {
  faults: [
    ...(['kill worker', 'kill worker', 'stop worker', 'kill ingress', 'stop ingress', 'kill nats'] as const),
    ...(['kill nats', 'kill nats', 'stop nats', 'kill redis', 'stop redis', 'refuse writes'] as const),
    ...(['cut worker from nats', 'cut ingress from nats', 'cut worker from redis', 'refuse writes'] as const),
    ...(['cut ingress from redis', 'break engine'] as const),
  ],
  kinds: ['stream', 'stream', 'stream', 'plain', 'job', 'events', 'response'],
};

export function planOf(seed: number, focus: Focus = ALL): Plan {
  const rand = seeded(seed);
  const between = (least: number, most: number) => Math.round(least + rand() * (most - least));
  const oneOf = <T>(all: readonly T[]) => all[Math.floor(rand() * all.length)] as T;
  const continues = rand() < 0.8;
  const workers = Array.from({ length: between(2, 3) }, () => ({
    ...{ slots: between(3, 6), continues, wordMs: between(15, 90), firstMs: between(20, 300) },
  }));
  const ingresses = between(1, 2);
  const words = () => (focus.isLong ? between(60, 200) : between(1, rand() < 0.25 ? 90 : 14));
  const requests = Array.from({ length: between(2, 5) }, (_, i): PlannedRequest => {
    const at = between(FROM_MS, UNTIL_MS - 1500);
    return {
      ...{ name: `q${i}`, kind: oneOf(focus.kinds), at, words: words() },
      ...{ ingress: i % ingresses, timeoutMs: 60_000 },
      leavesAt: rand() < 0.12 ? at + between(50, 4000) : null,
    };
  });
  const faults = Array.from({ length: between(focus === ALL ? 0 : 1, 4) }, (): Fault => {
    const ms = focus.isLong ? between(3500, 8000) : between(30, rand() < 0.5 ? 600 : 5000);
    return {
      ...{ kind: oneOf(focus.faults), at: between(FROM_MS, UNTIL_MS), index: between(0, 5) },
      ...{ ms, forgottenMs: between(0, rand() < 0.5 ? 60 : 1500) },
    };
  });
  return { seed, workers, ingresses, isBound: rand() < 0.25, requests, faults };
}
