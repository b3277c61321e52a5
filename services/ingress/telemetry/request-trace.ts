/** The spans of a request whose client waits here: the request itself, where it was placed, and how it got onto the queue. */
import type { Placement } from '@penstock/policy';
import type { CallNames, Endpoint, WorkMeta } from '@penstock/protocol';
import { type LiveSpan, requestAttributes, requestSpanName, type Tracing } from '@penstock/runtime';

/** Outcomes that are no failure of ours. */
const WELL: ReadonlySet<string> = new Set(['done', 'client_left', 'converted']);

export class RequestTrace {
  readonly #span: LiveSpan;
  #outcome: string | null = null;

  /** @param at when the request was accepted, Unix ms. @param names what the client called it: the trace that it is part of, perhaps. */
  constructor(
    tracing: Tracing,
    at: number,
    endpoint: Endpoint,
    meta: Pick<WorkMeta, 'id' | 'lane' | 'maxTokens' | 'model' | 'promptTokens' | 'size' | 'stream'>,
    names: CallNames | undefined,
  ) {
    const attributes = {
      ...requestAttributes({ ...meta, endpoint }),
      'penstock.lane': meta.lane,
      'penstock.size': meta.size,
      'penstock.estimated_prompt_tokens': meta.promptTokens,
    };
    const name = requestSpanName(endpoint, meta.model);
    this.#span = tracing.begin({ name, role: 'server', at, attributes }, names);
  }

  /** Null where nobody will find the trace. */
  get sampledId(): string | null {
    return this.#span.isSampled ? this.#span.traceId : null;
  }

  /** What goes with the work: whoever does it adds to this trace. */
  names(given: CallNames | undefined): CallNames {
    return { ...given, ...this.#span.context };
  }

  /** @param look when it had to be looked up who holds the prefix, Unix ms; null where that was plain, and took no time. */
  placed(placement: Placement, look: { readonly from: number; readonly to: number } | null): void {
    const attributes = {
      'penstock.placement.kind': placement.kind,
      'penstock.placement.reason': placement.reason,
      ...(placement.kind === 'bound'
        ? { 'penstock.worker': placement.worker, 'penstock.expected_cached_tokens': placement.matchedTokens }
        : {}),
    };
    this.#span.set(attributes);
    if (look === null || !this.#span.isSampled) return;
    this.#span.child({ name: 'place', at: look.from, attributes }).end(look.to);
  }

  /** The broker has stored it. @param from Unix ms. @param destination its subject, without what differs from request to request. */
  published(from: number, destination: string): void {
    if (!this.#span.isSampled) return;
    const attributes = {
      ...{
        'messaging.system': 'nats',
        'messaging.operation.name': 'publish',
        'messaging.operation.type': 'send',
      },
      'messaging.destination.template': destination,
    };
    this.#span.child({ name: `publish ${destination}`, role: 'producer', at: from, attributes }).end();
  }

  event(name: string, reason?: string): void {
    this.#span.event(name, reason === undefined ? {} : { 'penstock.reason': reason });
  }

  /** @param ttftMs since acceptance. */
  firstToken(ttftMs: number, waitMs: number): void {
    this.#span.event('first token');
    this.#span.set({
      'gen_ai.response.time_to_first_chunk': ttftMs / 1000,
      'penstock.queue_time_s': waitMs / 1000,
    });
  }

  usage(promptTokens: number, cachedTokens: number | null): void {
    this.#span.set({
      'gen_ai.usage.input_tokens': promptTokens,
      'gen_ai.usage.cache_read.input_tokens': cachedTokens ?? undefined,
    });
  }

  outcome(outcome: string): void {
    this.#outcome = outcome;
  }

  /** Nobody waits for it here any more. Its outcome may be told in the same turn. @param attempts that began on it. */
  gone(attempts: number): void {
    queueMicrotask(() => {
      const outcome = this.#outcome ?? 'client_left';
      this.#span.set({ 'penstock.outcome': outcome, 'penstock.attempts': attempts });
      if (!WELL.has(outcome)) this.#span.fail(outcome);
      this.#span.end();
    });
  }
}

/** A subject without its id and its worker: few, however many requests there are. */
export function destinationOf({
  region,
  slug,
  lane,
}: {
  region: string;
  slug: string;
  lane: string;
}): string {
  return `work.${region}.${slug}.${lane}`;
}
