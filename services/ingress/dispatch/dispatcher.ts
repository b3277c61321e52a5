/**
 * The interactive path, from a valid request to one that is open: holds it to limits, opens the reply, and has it sent ({@link Sender}).
 * The answer arrives on the reply bus and is written by {@link OpenRequests}.
 */
import type { ServerResponse } from 'node:http';
import { FREE_PASS, type LimitPass, type ProjectLimiter, reservedFor } from '@penstock/access';
import type { Fleet } from '@penstock/fleet';
import { decideTier, type TokenUse } from '@penstock/policy';
import {
  type BodyClaim,
  type CallNames,
  callNamesIn,
  DispatchError,
  type Endpoint,
  type NewRun,
  sharedAddress,
  type WorkMeta,
} from '@penstock/protocol';
import type { ConvertedCall } from '@penstock/runs';
import type { Clock, Tracing } from '@penstock/runtime';
import type { ClaimCheck } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { letGoOfBody } from '../http/body-reader.ts';
import { dialectOf } from '../http/errors.ts';
import { appliedHeader, type Preferences, readPreferences } from '../intake/preferences.ts';
import type { QueueRoom } from '../intake/queue-room.ts';
import type { StoreRoom } from '../intake/store-room.ts';
import { callPatienceOf, callTimeoutOf } from '../intake/timeouts.ts';
import { estimateOf } from '../intake/token-estimates.ts';
import type { Choose, InferenceRequest } from '../intake/understand.ts';
import type { WorkMetaWriter } from '../intake/work-meta.ts';
import { askingForUsage, WithoutUsage } from '../limits/asked-usage.ts';
import { limitedWork } from '../limits/limited-work.ts';
import { UsageMeter } from '../limits/usage-meter.ts';
import type { Affinity } from '../placement/affinity.ts';
import { promptText } from '../placement/prefix-chain.ts';
import { openingOf, sessionHeader, sessionKeyOf } from '../placement/session-key.ts';
import { HttpReply } from '../replies/http-reply.ts';
import type { ReplySink } from '../replies/reply-sink.ts';
import type { AnswerRoom } from '../sending/answer-room.ts';
import { type Admissions, ETA_HEADER } from '../shares/admissions.ts';
import { type DoorClaim, type Doors, doorClaimOf } from '../shares/doors.ts';
import { RequestTrace } from '../telemetry/request-trace.ts';
import { RequestTrail, type TrailKeeping } from '../telemetry/request-trail.ts';
import { type ConversionPlan, RunConversion } from './conversion.ts';
import type { OpenRequests } from './open-requests.ts';
import type { Sender } from './sender.ts';

export interface DispatcherOptions {
  readonly fleet: Pick<Fleet, 'shardFor'>;
  readonly affinity: Pick<Affinity, 'keyOf'>;
  readonly workMeta: WorkMetaWriter;
  readonly open: OpenRequests;
  readonly sender: Sender;
  /** Null where they are off. */
  readonly doors: Pick<Doors, 'assertRoom'> | null;
  readonly admissions: Pick<
    Admissions,
    'admit' | 'answerMs' | 'patientUntil' | 'soonest' | 'usualPatienceMs'
  >;
  readonly claims: ClaimCheck;
  /** The record of a call that becomes a stored run. */
  readonly convertedCall: (run: NewRun) => ConvertedCall;
  readonly clock: Clock;
  /** Null where it is off. */
  readonly tracing: Tracing | null;
  readonly trailing: TrailKeeping;
  readonly region: string;
  readonly keepAliveMs: number;
  readonly room: AnswerRoom;
  readonly queueRoom: Pick<QueueRoom, 'enter'>;
  readonly storeRoom: Pick<StoreRoom, 'pass'>;
  readonly limiter: Pick<ProjectLimiter, 'enter'>;
}

/** How one request is to be answered. */
export interface ReplyTerms {
  readonly preferences: Preferences;
  /** Wraps the sink for an answer whose shape is not the engine's. */
  readonly reshape?: ((sink: ReplySink) => ReplySink) | null;
  /** Key of the chain of responses it belongs to. */
  readonly chain?: string | null;
  /** What it asks is kept here until it is answered, and then stored: its body goes on taking room. */
  readonly isShownLater?: boolean;
  /** The stored run that a call becomes when its client has waited too long. */
  readonly conversion: ConversionPlan | 'refuse';
  /** Of a request of a limited project. */
  readonly meter?: UsageMeter;
}

/**
 * What outlives {@link Dispatcher.dispatch} is made in methods of its own: a closure made inside would keep the parsed prompt
 * alive for as long as the answer takes.
 */
export class Dispatcher {
  readonly #o: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#o = options;
  }

  /** Resolves when the work is queued, or its client got the error. */
  async dispatch(
    endpoint: Endpoint,
    read: InferenceRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    terms: ReplyTerms,
  ): Promise<void> {
    if (terms.isShownLater) this.#o.storeRoom.pass();
    const work = limitedWork(request.id, endpoint, read);
    const entered = this.#o.limiter.enter(request.caller, work);
    const pass = entered instanceof Promise ? await entered : entered;
    if (pass === FREE_PASS) return this.#dispatch(endpoint, read, request, reply, terms);
    const meter = new UsageMeter(pass, work.use);
    const limited = limitedTerms(terms, pass, meter, askingForUsage(endpoint, read));
    try {
      await this.#dispatch(
        endpoint,
        limited.read ?? read,
        request,
        reply.headers(pass.headers),
        limited.terms,
      );
    } catch (err) {
      pass.settle(null);
      throw err;
    }
  }

  async #dispatch(
    endpoint: Endpoint,
    read: InferenceRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    terms: ReplyTerms,
  ): Promise<void> {
    const { fleet, open, region, workMeta } = this.#o;
    const { acceptedAt, summary, queue: slug } = read;
    const { waitMs } = terms.preferences;
    const timeoutMs = callTimeoutOf(request);
    const deadlineAt = acceptedAt + (waitMs > 0 ? Math.min(waitMs, timeoutMs) : timeoutMs);
    const { lane } = decideTier(summary.tier, true);
    const given = callNamesIn(request.headers);
    const written = workMeta.write(read, { id: request.id, endpoint, slug, lane, deadlineAt, names: given });
    const times = { timeoutMs: deadlineAt - acceptedAt, waitMs };
    const door = lane === 'interactive' ? this.#admit(endpoint, read, request, written, times) : null;
    // Work of a lower lane goes to any worker with room.
    const placing = lane === 'interactive' ? this.#placingOf(endpoint, read, request, terms) : null;
    const isLarge = this.#o.claims.isLarge(read.body);
    const { body, claim } = isLarge
      ? await this.#checkIn(request, read.body)
      : { body: read.body, claim: read.claim === undefined ? {} : { claim: read.claim } };
    const leaveQueue = this.#enterQueue(request, slug, body.length, claim);
    // Earlier errors are answered by the framework.
    reply.hijack();
    const raw = reply.raw;
    const http = this.#openReply(read, request, raw, {
      ...(reply.getHeaders() as Record<string, string>),
      'x-penstock-model': headerText(read.model.name),
      ...appliedHeader(terms.preferences),
      ...etaHeader(door),
    });
    const sink = terms.reshape?.(http) ?? http;
    const { id, tenant } = request;
    const trace = this.#traceOf(written, given);
    const trail = new RequestTrail(this.#o.trailing, tenant, written);
    const names = trace === undefined ? {} : { names: trace.names(given) };
    const meta = { ...written, ...names, ...claim };
    const key = { region, shard: fleet.shardFor(slug), slug, lane, size: meta.size };
    cancelOnClose(open, raw, id);
    const opened = open.add({
      ...{ id, key: meta.key, slug, endpoint, deadlineAt, sink, trace, trail, ...claim },
      ...{ address: sharedAddress(key, id), bound: null, lookup: null },
      unsent: { tenant, meta, body, placing, raw },
      door,
      estimate: estimateOf(endpoint, read),
      continuable: summary.continuable,
      streamed: summary.stream,
      conversion: summary.stream ? null : this.#conversionOf(terms.conversion, http),
      collecting: bytes => http.collecting(bytes),
      ...{ leaveQueue, meter: terms.meter },
    });
    await this.#o.sender.send(opened);
    if (!terms.isShownLater) letGoOfBody(request);
  }

  /** @throws DispatchError `queue_wait_too_long` */
  #admit(
    endpoint: Endpoint,
    read: InferenceRequest,
    request: FastifyRequest,
    written: WorkMeta,
    times: { readonly timeoutMs: number; readonly waitMs: number },
  ): DoorClaim {
    const { admissions, claims, trailing } = this.#o;
    const patienceMs = this.#patienceOf(request, written.slug, read.summary.stream, times);
    const use = usedBy(endpoint, read);
    const bytes = claims.isLarge(read.body) ? 0 : read.body.length;
    const claim = this.#claimOf(request, written, { use, bytes, patienceMs });
    try {
      return admissions.admit(claim, patienceMs);
    } catch (err) {
      const trail = new RequestTrail(trailing, request.tenant, written);
      if (err instanceof DispatchError) trail.outcome(err.code);
      trail.gone(0, () => null);
      throw err;
    }
  }

  /** Another model where the one that is asked for would be too late for the client, and the other is not. */
  chooserFor(endpoint: Endpoint, request: FastifyRequest): Choose {
    return (all, { summary, promptTokens, size }) => {
      const [asked] = all;
      if (asked === undefined) throw new RangeError('there is no model to choose');
      if (decideTier(summary.tier, true).lane !== 'interactive') return asked;
      const { waitMs } = readPreferences(request.headers['prefer']);
      const times = { timeoutMs: callTimeoutOf(request), waitMs };
      const patienceMs = this.#patienceOf(request, asked.queue, summary.stream, times);
      const use = reservedFor(endpoint, promptTokens, summary.maxTokens);
      const claims = all.map(({ queue: slug }) => {
        const about = { id: request.id, slug, promptTokens, size };
        return this.#claimOf(request, about, { use, bytes: 0, patienceMs });
      });
      return all[this.#o.admissions.soonest(claims, patienceMs)] ?? asked;
    };
  }

  #patienceOf(
    request: FastifyRequest,
    slug: string,
    isStream: boolean,
    times: { readonly timeoutMs: number; readonly waitMs: number },
  ): number {
    const { admissions } = this.#o;
    const answerMs = isStream ? 0 : admissions.answerMs(slug);
    return callPatienceOf(request, { ...times, usualMs: admissions.usualPatienceMs, answerMs });
  }

  #claimOf(
    { caller }: FastifyRequest,
    about: Parameters<typeof doorClaimOf>[0],
    { patienceMs, ...terms }: { readonly use: TokenUse; readonly bytes: number; readonly patienceMs: number },
  ): DoorClaim {
    const { admissions, clock } = this.#o;
    const patientUntil = admissions.patientUntil(patienceMs);
    return doorClaimOf(about, caller, { ...terms, arrivedAt: clock.monotonic(), patientUntil });
  }

  /** @throws DispatchError `queue_full`; nothing is left of a body in the store then. */
  #enterQueue({ id, tenant }: FastifyRequest, slug: string, bytes: number, claim: object): () => void {
    try {
      this.#o.doors?.assertRoom(tenant, bytes);
      return this.#o.queueRoom.enter({ tenant, slug, bytes });
    } catch (err) {
      if ('claim' in claim) void this.#o.claims.discard({ id, hasClaim: true });
      throw err;
    }
  }

  #traceOf(meta: WorkMeta, names: CallNames | undefined): RequestTrace | undefined {
    const { tracing } = this.#o;
    return tracing === null
      ? undefined
      : new RequestTrace(tracing, meta.acceptedAt, meta.endpoint, meta, names);
  }

  /** A large body goes to the store; neither a message nor this node keeps it. */
  async #checkIn({ id, tenant }: Pick<FastifyRequest, 'id' | 'tenant'>, whole: Buffer) {
    const { meta, body } = await this.#o.claims.checkIn<{ id: string; claim?: BodyClaim }>(
      { id },
      whole,
      tenant,
    );
    return { body, claim: meta.claim === undefined ? {} : { claim: meta.claim } };
  }

  #openReply(
    read: InferenceRequest,
    request: FastifyRequest,
    raw: ServerResponse,
    headers: Record<string, string>,
  ): HttpReply {
    const { keepAliveMs, room, open } = this.#o;
    const { id, tenant } = request;
    const { acceptedAt, summary } = read;
    return new HttpReply({
      ...{ raw, room, tenant, headers, keepAliveMs, request: { id, headers: request.headers } },
      abandon: () => open.cancel(id),
      ...{ streamed: summary.stream, dialect: dialectOf(request) },
      tookMs: () => this.#o.clock.now() - acceptedAt,
    });
  }

  /** What it takes to place it, also when its prompt is gone. */
  #placingOf(
    endpoint: Endpoint,
    { summary, parsed, queue: slug, promptTokens }: InferenceRequest,
    request: FastifyRequest,
    { chain = null }: ReplyTerms,
  ) {
    return this.#o.affinity.keyOf({
      slug,
      tenant: request.tenant,
      cacheKey: summary.cacheKey,
      sessionKey: () =>
        sessionKeyOf({ ...summary, chain, header: sessionHeader(request) }, () =>
          openingOf(endpoint, parsed),
        ),
      promptTokens,
      text: () => promptText(endpoint, parsed),
    });
  }

  #conversionOf(plan: ConversionPlan | 'refuse', http: HttpReply) {
    return plan === 'refuse' ? plan : new RunConversion(plan, this.#o.convertedCall(plan.run), http);
  }
}

/** @param asking the request as it asks for a count that its client did not ask for. */
function limitedTerms(
  terms: ReplyTerms,
  { countsTokens }: LimitPass,
  meter: UsageMeter,
  asking: InferenceRequest | null,
): { readonly read: InferenceRequest | null; readonly terms: ReplyTerms } {
  if (!countsTokens || asking === null) return { read: null, terms: { ...terms, meter } };
  const reshape = (sink: ReplySink) => {
    const kept = new WithoutUsage(sink);
    return terms.reshape?.(kept) ?? kept;
  };
  return { read: asking, terms: { ...terms, meter, reshape } };
}

function usedBy(endpoint: Endpoint, { promptTokens, summary }: InferenceRequest): TokenUse {
  return reservedFor(endpoint, promptTokens, summary.maxTokens);
}

function etaHeader(door: DoorClaim | null): Record<string, string> {
  const estimateS = door?.estimateS ?? null;
  return estimateS === null ? {} : { [ETA_HEADER]: String(Math.round(1000 * estimateS)) };
}

/** Names have any characters; a header has not. */
function headerText(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : encodeURIComponent(name);
}

/** `request.signal` fires on every POST with a body; a client that left shows as a close before the end. */
function cancelOnClose(open: OpenRequests, raw: ServerResponse, id: string): void {
  raw.on('close', () => {
    if (!raw.writableFinished) open.left(id);
  });
}
