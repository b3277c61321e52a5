/**
 * Makes one attempt to deliver an event to an endpoint, and decides what follows from its outcome. The endpoint is read again for
 * each attempt: it may have been changed, disabled or deleted since the event happened.
 */
import {
  breakerPauseMs,
  decideWebhook,
  WEBHOOK_BREAKER_FAILURES,
  type WebhookDecision,
} from '@penstock/policy';
import { deliveryId, eventBody, retryAfterMs, type WebhookEndpoint } from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type {
  DeliveryJob,
  DeliveryLog,
  JobOutcome,
  Poster,
  PostOutcome,
  WebhookRecords,
} from '@penstock/transport';
import { signedHeaders, signingSecrets } from '@penstock/transport/signature';
import type { SlotShares } from '../slot-shares.ts';
import type { EndpointGate } from './endpoint-gate.ts';

/** Is told what came of attempts. */
export interface DeliveryObserver {
  /** @param ms that the attempt took. @param ageMs since the event was first due. */
  attempted(
    decision: WebhookDecision,
    outcome: PostOutcome,
    times: { readonly ms: number; readonly ageMs: number },
    job: DeliveryJob,
  ): void;
  disabled(why: 'gone' | 'failing'): void;
}

export interface EventSenderOptions {
  readonly records: WebhookRecords;
  readonly log: DeliveryLog;
  readonly poster: Poster;
  readonly gate: EndpointGate;
  /** Of this process, for all tenants. */
  readonly slots: SlotShares;
  /** Limit of one attempt, ms. */
  readonly timeoutMs: number;
  /** Factor on every pause between attempts; 1 in production. */
  readonly scale: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observers: readonly DeliveryObserver[];
  /** Uniform in [0, 1). */
  readonly rand: () => number;
}

const GONE: JobOutcome = { kind: 'given_up', reason: 'endpoint_gone' };
/** Attempts that waited for the end of a pause are spread over this time, ms. */
const SPREAD_MS = 1000;

export class EventSender {
  readonly #o: EventSenderOptions;

  constructor(options: EventSenderOptions) {
    this.#o = options;
  }

  run(job: DeliveryJob, attempt: number, stop?: AbortSignal): Promise<JobOutcome> {
    return this.#o.slots.during(job.tenant ?? job.endpoint, () => this.#runInSlot(job, attempt, stop));
  }

  async #runInSlot(job: DeliveryJob, attempt: number, stop?: AbortSignal): Promise<JobOutcome> {
    const admitted = await this.#o.gate.enter(job.endpoint);
    if (admitted.kind === 'later') return admitted;
    try {
      return job.isTest ? await this.#test(job, stop) : await this.#deliver(job, attempt, stop);
    } finally {
      admitted.leave();
    }
  }

  async #deliver(job: DeliveryJob, attempt: number, stop: AbortSignal | undefined): Promise<JobOutcome> {
    const { records, log, clock, timeoutMs, scale, rand } = this.#o;
    const now = clock.now();
    const known = await records.claim(job.endpoint, now, WEBHOOK_BREAKER_FAILURES, timeoutMs + SPREAD_MS);
    if (known === null) return GONE;
    const { endpoint, health } = known;
    const id = deliveryId(job.event.id, endpoint.id);
    if (endpoint.disabled !== null) {
      await log.attempted(id, null, 'failed');
      return { kind: 'given_up', reason: 'endpoint_disabled' };
    }
    if (health.pausedUntil > now)
      return { kind: 'later', delayMs: health.pausedUntil - now + rand() * SPREAD_MS * Math.min(1, scale) };
    const outcome = await this.#post(endpoint, job, stop);
    const decision = decideWebhook(this.#tried(job, attempt, outcome), scale, rand());
    const times = { ms: clock.now() - now, ageMs: clock.now() - begunAt(job) };
    for (const observer of this.#o.observers) observer.attempted(decision, outcome, times, job);
    await this.#record(id, attempt, outcome, times.ms, decision);
    await this.#learn(endpoint, job, decision, now);
    return this.#outcomeOf(decision, outcome);
  }

  async #post(
    endpoint: WebhookEndpoint,
    job: DeliveryJob,
    stop: AbortSignal | undefined,
  ): Promise<PostOutcome> {
    const now = this.#o.clock.now();
    const secrets = signingSecrets(endpoint, now);
    if (secrets.length === 0) return { kind: 'unanswered', reason: 'secret_unavailable' };
    const body = eventBody(job.event);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Penstock-Webhooks/1',
      ...signedHeaders(secrets, job.event.id, now, body),
    };
    return this.#o.poster.post(endpoint.url, headers, body, stop);
  }

  #tried(job: DeliveryJob, attempt: number, outcome: PostOutcome) {
    const now = this.#o.clock.now();
    const answered = outcome.kind === 'answered';
    return {
      attempt,
      ageMs: now - begunAt(job),
      status: answered ? outcome.status : null,
      retryAfterMs: answered ? retryAfterMs(outcome.retryAfter, now) : null,
    };
  }

  async #record(
    id: string,
    attempt: number,
    outcome: PostOutcome,
    ms: number,
    decision: WebhookDecision,
  ): Promise<void> {
    const status = outcome.kind === 'answered' ? outcome.status : null;
    const error = outcome.kind === 'unanswered' ? outcome.reason : errorOf(decision);
    const state = { delivered: 'delivered', retry: 'pending', give_up: 'failed' } as const;
    const at = this.#o.clock.now() - ms;
    await this.#o.log.attempted(id, { at, attempt, status, error, ms: Math.round(ms) }, state[decision.kind]);
  }

  /** Updates what is known of the endpoint: its failures, its pause, whether it is disabled. */
  async #learn(
    endpoint: WebhookEndpoint,
    job: DeliveryJob,
    decision: WebhookDecision,
    attemptAt: number,
  ): Promise<void> {
    const { records, clock, scale } = this.#o;
    const now = clock.now();
    if (decision.kind === 'delivered') return records.succeeded(endpoint.id, now, attemptAt);
    if (decision.reason === 'gone') return this.#disable(endpoint, 'gone');
    const failures = await records.failed(endpoint.id);
    const rest = decision.kind === 'retry' ? decision.pauseMs : 0;
    const pauseMs = Math.max(rest, breakerPauseMs(failures, scale));
    if (pauseMs > 0) await records.pause(endpoint.id, now, now + pauseMs);
    if (decision.kind !== 'give_up') return;
    // No event reached the endpoint for as long as this one was tried.
    if (!(await records.cameThroughSince(endpoint.id, begunAt(job))))
      await this.#disable(endpoint, 'failing');
  }

  async #disable(endpoint: WebhookEndpoint, why: 'gone' | 'failing'): Promise<void> {
    await this.#o.records.update(endpoint.id, { disabled: why });
    for (const observer of this.#o.observers) observer.disabled(why);
    this.#o.logger.warn({ endpoint: endpoint.id, why }, 'webhook endpoint disabled');
  }

  #outcomeOf(decision: WebhookDecision, outcome: PostOutcome): JobOutcome {
    switch (decision.kind) {
      case 'delivered':
        return { kind: 'done', result: outcome };
      case 'retry':
        return { kind: 'retry', delayMs: decision.delayMs };
      case 'give_up':
        return { kind: 'given_up', reason: decision.reason };
    }
  }

  /** A test event: its outcome goes to the caller that waits for it and into the log, and does not count for the endpoint. */
  async #test(job: DeliveryJob, stop: AbortSignal | undefined): Promise<JobOutcome> {
    const { records, clock, log } = this.#o;
    const known = await records.get(job.endpoint);
    if (known === null) return GONE;
    const id = deliveryId(job.event.id, job.endpoint);
    await log.open([{ id, endpoint: job.endpoint, event: job.event }]);
    const from = clock.now();
    const outcome = await this.#post(known.endpoint, job, stop);
    const decision = decideWebhook({ ...this.#tried(job, Number.MAX_SAFE_INTEGER, outcome) }, 1, 0);
    await this.#record(id, 1, outcome, clock.now() - from, decision);
    return { kind: 'done', result: outcome };
  }
}

/** When delivery of the event was first due, Unix ms. */
function begunAt({ askedAt, event }: DeliveryJob): number {
  return askedAt ?? event.createdAt * 1000;
}

function errorOf(decision: WebhookDecision): string | null {
  return decision.kind === 'delivered' ? null : decision.reason;
}
