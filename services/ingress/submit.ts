/** From an authenticated HTTP request to a message on the queue. */
import { timeoutOf } from '@penstock/policy';
import {
  DispatchError,
  type Endpoint,
  encodeEnvelope,
  estimatePromptTokens,
  parseJson,
  type RequestSummary,
  validateChat,
  validateCompletion,
  validateEmbedding,
  workStream,
  workSubject,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { WorkQueue } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Fleet } from './fleet.ts';
import { HttpReply } from './http-reply.ts';
import type { IngressMetrics } from './metrics.ts';
import type { OpenRequests } from './open-requests.ts';

const VALIDATORS: Record<Endpoint, (value: unknown) => RequestSummary> = {
  chat: validateChat,
  completions: validateCompletion,
  embeddings: validateEmbedding,
};
/** The broker drops queued work this long after the client's deadline. Only a backstop: workers check the deadline. */
const TTL_SLACK_MS = 60_000;

export interface SubmitDeps {
  readonly queue: WorkQueue;
  readonly fleet: Fleet;
  readonly open: OpenRequests;
  readonly clock: Clock;
  readonly metrics: IngressMetrics;
  readonly region: string;
  readonly ingressId: string;
  readonly keepAliveMs: number;
  readonly nextId: () => string;
}

/** Validates, opens the reply and publishes. Resolves when the work is queued; the answer comes by the reply bus. */
export async function submit(
  deps: SubmitDeps,
  endpoint: Endpoint,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const body = request.body;
  if (!Buffer.isBuffer(body)) throw new DispatchError('unsupported_media_type');
  const summary = VALIDATORS[endpoint](parseJson(body));
  const model = deps.fleet.model(summary.model);
  if (model === undefined) throw new DispatchError('model_not_found', { param: 'model' });

  const acceptedAt = deps.clock.now();
  const id = request.id;
  const deadlineAt = acceptedAt + timeoutOf(timeoutHints(request));
  const key = { region: deps.region, shard: 0, slug: model.slug, lane: 'interactive', size: 'any' } as const;
  const subject = workSubject(key, id);
  const raw = reply.raw;
  reply.hijack();
  const sink = new HttpReply({
    raw,
    requestId: id,
    streamed: summary.stream,
    keepAliveMs: deps.keepAliveMs,
    acceptedAt,
    onFinish: status => deps.metrics.requests.inc({ endpoint, status: String(status) }),
  });
  deps.open.add({
    id,
    slug: model.slug,
    subject,
    stream: workStream(deps.region, 0),
    endpoint,
    continuable: summary.continuable,
    streamed: summary.stream,
    deadlineAt,
    sink,
  });
  // `request.signal` fires on every POST with a body; a client that left shows as a close before the end.
  raw.on('close', () => {
    if (!raw.writableFinished) deps.open.cancel(id);
  });
  const meta = {
    v: 1 as const,
    id,
    from: deps.ingressId,
    endpoint,
    model: summary.model,
    slug: model.slug,
    lane: key.lane,
    stream: summary.stream,
    promptTokens: estimatePromptTokens(summary.promptBytes),
    maxTokens: summary.maxTokens,
    acceptedAt,
    deadlineAt,
  };
  try {
    const ttlMs = deadlineAt - acceptedAt + TTL_SLACK_MS;
    await deps.queue.publish(subject, encodeEnvelope(meta, body), { messageId: id, ttlMs });
    if (raw.destroyed) deps.open.cancel(id);
  } catch (err) {
    deps.open.cancel(id);
    sink.error(
      err instanceof DispatchError ? err : new DispatchError('internal_error', { cause: err }),
      null,
    );
  }
}

function timeoutHints(request: FastifyRequest) {
  const text = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    requestTimeoutMs: text('x-request-timeout-ms'),
    stainlessTimeout: text('x-stainless-timeout'),
    stainlessReadTimeout: text('x-stainless-read-timeout'),
  };
}
