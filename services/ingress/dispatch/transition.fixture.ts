/** A request `r1`, and what may happen to it. */
import { type FailedMeta, type Frame, type FrameKind, sharedAddress } from '@penstock/protocol';
import type { ReplySink } from '../replies/reply-sink.ts';
import type { Conversion } from './conversion.ts';
import { type Bound, type NewRequest, type OpenRequest, openRequest } from './open-request.ts';
import { type Effect, type RequestEvent, transition } from './transition.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const sink = {} as ReplySink;
export const conversion = { run: { deadlineAt: 9e9 } } as unknown as Conversion;
const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
/** Where the request is queued. */
export const ADDRESS = sharedAddress(KEY, 'r1');
export const toW1: Bound = { worker: 'w-1', republish: async () => {} };

export function queued(change: Partial<NewRequest> = {}): OpenRequest {
  const request: NewRequest = {
    ...{ id: 'r1', key: 'k', slug: 'm', address: ADDRESS, bound: null, lookup: null, estimate: null },
    ...{ unsent: null, door: null },
    ...{ endpoint: 'chat', continuable: true, streamed: true, deadlineAt: 1e6, sink, conversion: null },
    ...change,
  };
  return openRequest(request, clock);
}

interface FrameAbout {
  readonly attempt?: number;
  readonly nonce?: number;
  readonly body?: string;
  readonly meta?: object;
}

/** By default each attempt has its number as its nonce. */
export function frame(kind: FrameKind, seq: number, about: FrameAbout = {}): Frame {
  const { attempt = 1, nonce = attempt, body = '', meta = {} } = about;
  return { id: 'r1', kind, seq, attempt, nonce, meta: JSON.stringify(meta), body: Buffer.from(body) };
}

export const ACCEPTED = frame('accepted', 0, { meta: { ack: 'ack-1', waitMs: 5, incarnation: 'p1' } });

export const asked = (attempt: number, nonce = attempt): RequestEvent => ({
  ...{ kind: 'asked', attempt, nonce, ack: `ack-${attempt}-${nonce}` },
});

/** @param by who sent the frame or asks. */
export function on(request: OpenRequest, event: RequestEvent, by = 'w-1', now = 0): readonly Effect[] {
  return transition(request, event, now, by);
}

export function running(change: Partial<NewRequest> = {}): OpenRequest {
  const request = queued(change);
  on(request, ACCEPTED);
  return request;
}

export const kinds = (effects: readonly Effect[]) => effects.map(effect => effect.kind);
export const failure = (retryable: boolean): { meta: FailedMeta } => ({
  meta: { code: 'engine_error', message: 'no', retryable },
});
export const content = (text: string) =>
  `data: ${JSON.stringify({ id: 'c1', created: 7, choices: [{ delta: { content: text } }] })}\n\n`;
