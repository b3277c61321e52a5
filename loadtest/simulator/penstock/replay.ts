/**
 * Reproduces the decisions of real processes: the debug log of a worker and an ingress is fed to the simulated worker and to the
 * simulator's view of the fleet, which have to decide the same.
 */
import {
  type BidDecision,
  type Candidate,
  DEFAULT_TUNING,
  decidePlacement,
  type MeterEvent,
  type PlacementEvent,
  type PromptSize,
  WORK_KINDS,
  type WorkerStanding,
} from '@penstock/policy';
import { Agenda } from '../engine/agenda.ts';
import { FleetView, type SeenWorker } from './fleet-view.ts';
import { SimulatedWorker, sharedConsumers, type WatchedEngine } from './worker.ts';

/** An event of a worker's bidding, from its debug log. */
export type RecordedBidding =
  | MeterEvent
  | {
      readonly kind: 'taken';
      readonly size: PromptSize | 'any';
      readonly promptTokens: number;
      readonly fleetRate: number;
    }
  | { readonly kind: 'handed_back'; readonly slot: string; readonly now: number }
  | { readonly kind: 'had_turn'; readonly slot: string }
  /** A delivery that was taken may have been handed back without a beginning. */
  | { readonly kind: 'settled'; readonly running: number }
  | {
      readonly kind: 'renewed';
      readonly now: number;
      readonly standing: WorkerStanding;
      readonly decisions: readonly BidDecision[];
    };

/** A decision as it was made and as the simulator makes it. Both as JSON shows them. */
export interface Replayed {
  readonly really: unknown;
  readonly simulated: unknown;
}

/** Every renewal of a worker's bids: its standing, as metered from what happened to its requests, and what it offered. */
export function replayBids(events: readonly RecordedBidding[]): Replayed[] {
  const engine: { -readonly [key in keyof WatchedEngine]: WatchedEngine[key] } = {
    worker: 0,
    profile: { kvCapacityTokens: null },
    kvUse: null,
  };
  const worker = new SimulatedWorker(engine, sharedConsumers(), 0, DEFAULT_TUNING, () => {});
  const numbers = new Map<string, number>();
  const numberOf = (id: string) => numbers.get(id) ?? numbers.set(id, numbers.size).size - 1;
  const replayed: Replayed[] = [];
  for (const event of events) {
    if (event.kind === 'taken') {
      if (event.size !== 'any') worker.accept(event.size, event.promptTokens, event.fleetRate);
    } else if (event.kind === 'begun') worker.meter.begin(numberOf(event.id), event.request, event.now);
    else if (event.kind === 'first_token') worker.meter.firstToken(numberOf(event.id), event.now);
    else if (event.kind === 'ended') worker.end(numberOf(event.id), event.kvTokens);
    else if (event.kind === 'answered') worker.meter.answered(event.tokens);
    else if (event.kind === 'recovered') worker.meter.recover(event.now);
    else if (event.kind === 'handed_back') worker.handBack(event.slot, event.now);
    else if (event.kind === 'had_turn') worker.served(event.slot);
    else if (event.kind === 'settled') worker.running = event.running;
    else if (event.kind === 'read') {
      worker.slots = event.readings.slots;
      worker.kvPending = event.readings.kvPending ?? 0;
      engine.kvUse = event.readings.kvUse;
      engine.profile = { kvCapacityTokens: event.readings.kvCapacity };
    } else {
      const standing = worker.standing(event.now);
      const { decisions } = worker.decide(WORK_KINDS, event.now);
      replayed.push({
        really: { standing: event.standing, decisions: event.decisions },
        simulated: shown({ standing, decisions }),
      });
    }
  }
  return replayed;
}

/** Every placement, with the fleet as the ingress saw it at that moment. */
export function replayPlacements(records: readonly PlacementEvent[]): Replayed[] {
  return records.map(({ promptTokens, isOwned, known, owners, looks, placement }) => {
    const views = looks.map(look => viewOf(look, promptTokens));
    const next = () => {
      const view = views.shift();
      if (view === undefined) throw new RangeError('the ingress did not look at the fleet so often');
      return view;
    };
    const simulated = decidePlacement(promptTokens, isOwned, {
      ...known,
      owners: () => owners,
      candidates: () => next().candidates(),
      soonest: () => next().soonest(),
    });
    return { really: placement, simulated: shown(simulated) };
  });
}

/** The simulator's view of a fleet that is as it was recorded. */
function viewOf(candidates: readonly Candidate[], promptTokens: number): FleetView<SeenWorker> {
  const workers = candidates.map(({ worker, waitS, tokensPerSec, load }, index): SeenWorker => {
    const meter = {
      ...{ cacheTokens: 0, learnedRate: tokensPerSec, tokensPerSec },
      recover() {},
      settled: false,
      worked: () => load,
    };
    const quoted = { waitS: () => waitS, quotedRate: () => tokensPerSec };
    return { index, name: worker, isDead: false, cacheCapacity: null, ...quoted, meter };
  });
  const holders = candidates.flatMap(({ matchedTokens }, worker) =>
    matchedTokens > 0 ? [{ worker, tokens: matchedTokens, trusted: matchedTokens }] : [],
  );
  const view = new FleetView(workers, new Agenda());
  view.renew(() => {});
  return view.for(promptTokens, holders);
}

function shown(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
