/**
 * Refuses stored work that waits for a model which was unloaded everywhere, or for an endpoint that no engine of its model has any
 * more: nobody would run it, and its clients would wait until its deadline. It is taken off the queue as a worker would take it, so that what happens to a run has one set of rules. A worker
 * that serves the model again bids lower and goes first. Work whose client waits at an ingress is refused there.
 */
import {
  type FailedMeta,
  type ModelInfo,
  queueKeys,
  queuesOf,
  readEnvelope,
  type WorkEnvelope,
} from '@penstock/protocol';
import { endpointLeft, type RunAttempts } from '@penstock/runs';
import { type Clock, drawNonce, type Logger } from '@penstock/runtime';
import type { ClaimCheck, Delivery, Puller, WorkConsumer } from '@penstock/transport';

export interface WithdrawnModelsOptions {
  readonly fleet: {
    withdrawnModels(): readonly ModelInfo[];
    isWithdrawn(slug: string): boolean;
    abandonedQueues(withinMs: number): readonly string[];
    isAbandoned(queue: string): boolean;
  };
  readonly queue: Pick<WorkConsumer, 'pull' | 'settle'>;
  readonly attempts: Pick<RunAttempts, 'begin' | 'fail'>;
  readonly claims: Pick<ClaimCheck, 'discard'>;
  readonly region: string;
  readonly shards: number;
  /** Name of this process. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Nobody accepts work for a model once it is withdrawn: what waits for it is soon gone, ms. */
const WATCHED_MS = 10 * 60_000;
/** Models watched at once, the latest. */
const MOST_MODELS = 50;
/** The last to be served. */
const OFFER = { level: 9, batch: 16 } as const;
/** Before a message that is not ours is delivered again, ms: its ingress deletes it. */
const NOT_OURS_MS = 5000;
const MODEL_LEFT: FailedMeta = {
  code: 'model_not_found',
  message: 'The model was unloaded before the request began. GET /v1/models lists the available models.',
  retryable: false,
};
const ENDPOINT_LEFT: FailedMeta = {
  code: 'endpoint_not_found',
  message: endpointLeft().message,
  retryable: false,
};

export class WithdrawnModels {
  readonly #o: WithdrawnModelsOptions;
  /** By slug of the queue. */
  readonly #pulls = new Map<string, readonly Puller[]>();

  constructor(options: WithdrawnModelsOptions) {
    this.#o = options;
  }

  /** To be called once a second. */
  look(): void {
    const now = this.#o.clock.now();
    const recent = this.#o.fleet
      .withdrawnModels()
      .filter(({ withdrawnAt = 0 }) => now - withdrawnAt < WATCHED_MS)
      .sort((a, b) => (b.withdrawnAt ?? 0) - (a.withdrawnAt ?? 0));
    const abandoned = this.#o.fleet.abandonedQueues(WATCHED_MS).slice(-MOST_MODELS);
    const wanted = new Set([...recent.slice(0, MOST_MODELS).flatMap(queuesOf), ...abandoned]);
    for (const [slug, pulls] of this.#pulls) {
      if (wanted.has(slug)) continue;
      this.#pulls.delete(slug);
      for (const pull of pulls) void pull.stop();
    }
    for (const slug of wanted) if (!this.#pulls.has(slug)) this.#pulls.set(slug, this.#pull(slug));
    for (const pulls of this.#pulls.values()) for (const pull of pulls) pull.bid(OFFER);
  }

  #pull(slug: string): Puller[] {
    const { region, shards, queue } = this.#o;
    const keys = Array.from({ length: shards }, (_, shard) => queueKeys(region, shard, slug, true)).flat();
    return keys.map(key => {
      const pull: Puller = queue.pull(key, delivery => {
        void this.#take(slug, delivery).finally(() => pull.bid(OFFER));
      });
      return pull;
    });
  }

  async #take(slug: string, delivery: Delivery): Promise<void> {
    const { queue, fleet, log } = this.#o;
    const work = readEnvelope(delivery.data);
    const why = fleet.isWithdrawn(slug) ? MODEL_LEFT : fleet.isAbandoned(slug) ? ENDPOINT_LEFT : null;
    if (work === null || !work.meta.stored || why === null)
      return queue.settle(delivery.ackSubject, 'nak', NOT_OURS_MS);
    try {
      await this.#refuse(delivery, work, why);
    } catch (err) {
      log.warn({ id: work.meta.id, err }, 'work that nobody serves any more not refused yet');
      queue.settle(delivery.ackSubject, 'nak', NOT_OURS_MS);
    }
  }

  async #refuse(delivery: Delivery, { meta }: WorkEnvelope, why: FailedMeta): Promise<void> {
    const { attempts, queue, claims, name, log } = this.#o;
    const attempt = { number: meta.attemptBase + delivery.deliveryCount, nonce: drawNonce() };
    const beginning = await attempts.begin(meta, delivery.address, attempt, name);
    // Fenced: a settlement here would settle the delivery of the current attempt.
    if (beginning === 'fenced') return;
    if (beginning === 'begun') {
      const failure = await attempts.fail(meta, attempt, why);
      if (failure.kind === 'fenced') return;
      void claims.discard(meta);
      log.info({ id: meta.id, code: why.code }, 'refused: nobody serves it any more');
    }
    queue.settle(delivery.ackSubject, 'ack');
  }
}
