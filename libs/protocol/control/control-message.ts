/** Messages to a worker, and between ingress and worker about one request. JSON, one shape each. */
import { z } from 'zod';
import {
  ackSubject,
  amount,
  attemptNumber,
  incarnation,
  nonce,
  shard,
  token,
  workKey,
} from '../wire/fields.ts';
import { type AttemptKey, NO_NONCE } from '../wire/frame.ts';
import { jsonReader } from '../wire/json-message.ts';
import { LANES, SIZES } from '../wire/names.ts';

/** Ingress → worker: stop this attempt at the request; without a nonce every one up to that number. */
const cancelMessage = z.object({ cancel: token, attempt: attemptNumber, nonce: nonce.optional() });
export type CancelMessage = z.infer<typeof cancelMessage>;

/** Whether a cancel is about this attempt. Without a nonce it names the newest one that is meant: not a later one. */
export function isMeant(attempt: AttemptKey, { number, nonce }: AttemptKey): boolean {
  return nonce === NO_NONCE ? attempt.number <= number : attempt.nonce === nonce;
}

/** Tasks → worker: does this attempt at the run go on? */
const runningQuestion = z.object({ runs: token, attempt: attemptNumber });
export type RunningQuestion = z.infer<typeof runningQuestion>;
const runningAnswer = z.object({ goesOn: z.boolean() });
export type RunningAnswer = z.infer<typeof runningAnswer>;

/**
 * Ingress → worker: does this process of it still live? It answers with the same. Another one that has its name meanwhile says so in `here`, and waits
 * before that, so that the one that is called comes first where there are two. Of the version before, others say nothing.
 */
const rollCall = z.object({ called: incarnation.min(1), here: incarnation.min(1).optional() });
export type RollCallMessage = z.infer<typeof rollCall>;

/** Console → worker: take nothing new, or take work again. A worker that is started again takes work. */
const drainOrder = z.object({ drain: z.boolean() });
export type DrainOrder = z.infer<typeof drainOrder>;

/**
 * Worker → ingress: may I run this attempt, and what has the client already? `ack` is the ack subject of the delivery that it
 * holds. Workers of the version before send neither nonce nor ack.
 */
const resumeQuestion = z.object({
  id: token,
  attempt: attemptNumber,
  worker: token,
  nonce: nonce.default(NO_NONCE),
  ack: ackSubject.nullable().default(null),
  /** As in {@link AcceptedMeta}. */
  key: workKey.optional(),
});
export type ResumeQuestion = z.infer<typeof resumeQuestion>;

/**
 * Ingress → worker. `gone`: nobody waits, drop it. `held`: another attempt runs, and the delivery is settled with it. `start`: run from the beginning. `continue`: go on after
 * `text`.
 */
const resumeAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('gone') }),
  z.object({ kind: z.literal('held') }),
  z.object({ kind: z.literal('start') }),
  z.object({
    kind: z.literal('continue'),
    /** Assistant text the client has. */
    text: z.string(),
    /** Content chunks the client has; stands for the tokens already produced where nobody counts those. */
    chunks: amount,
    /** Output tokens, and prompt tokens, that the engine has said to have produced and read by then; null where it did not. */
    tokens: amount.nullable().default(null),
    promptTokens: amount.nullable().default(null),
    /** The client has the end of the answer, with this reason: only what follows it is missing, such as usage. */
    finish: z.string().max(64).nullable().default(null),
    /** `id` and `created` of the first chunk: every chunk of a stream carries the same. */
    chunkId: z.string(),
    created: z.number(),
  }),
]);
export type ResumeAnswer = z.infer<typeof resumeAnswer>;

/** Attempts that a worker runs, or has run and not yet sent, for one ingress. */
const MOST_RUNNING = 16_384;

/**
 * Worker → ingress, every other second: these attempts run here for your clients; which of them does nobody want? Cancels are sent once,
 * and what is sent while a connection is down is lost.
 */
const wantedQuestion = z.object({
  running: z.array(z.object({ id: token, attempt: attemptNumber, nonce })).max(MOST_RUNNING),
  worker: token,
  /** Which process of the worker, as in heartbeats. */
  incarnation,
});
export type WantedQuestion = z.infer<typeof wantedQuestion>;

/** Ingress → worker: ids of attempts to be stopped. */
const wantedAnswer = z.object({ unwanted: z.array(token).max(MOST_RUNNING) });
export type WantedAnswer = z.infer<typeof wantedAnswer>;

/** What an operator is shown of a failure. */
export const MOST_FAILURE_TEXT = 2000;

/**
 * Worker → any ingress: do this for me. A worker may pull and settle work, but neither make consumers nor read or move what is queued.
 */
const controlOrder = z.discriminatedUnion('do', [
  /** Make the consumer of a queue that workers share. */
  z.object({
    do: z.literal('queue'),
    ...{ shard, slug: token, lane: z.enum(LANES), size: z.enum(SIZES) },
  }),
  /** Make the consumer of what is bound to a worker. */
  z.object({ do: z.literal('bound'), shard, worker: token }),
  /** Keep a message that failed on every attempt as a dead letter. */
  z.object({
    do: z.literal('dead'),
    subject: z.string().max(400),
    code: z.string().max(100),
    message: z.string().max(MOST_FAILURE_TEXT),
  }),
]);
export type ControlOrder = z.infer<typeof controlOrder>;

const controlAnswer = z.object({ done: z.boolean() });
export type ControlAnswer = z.infer<typeof controlAnswer>;

/** Longer than any of these messages, but for an answer with a part of an answer in it. */
const MOST_BYTES = 2 * 1024 * 1024;
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

export const readCancel = jsonReader(cancelMessage, MOST_BYTES);
export const readRollCall = jsonReader(rollCall, MOST_BYTES);
export const readDrainOrder = jsonReader(drainOrder, MOST_BYTES);
export const readResumeQuestion = jsonReader(resumeQuestion, MOST_BYTES);
export const readResumeAnswer = jsonReader(resumeAnswer, MOST_ANSWER_BYTES);
export const readWantedQuestion = jsonReader(wantedQuestion, MOST_BYTES);
export const readWantedAnswer = jsonReader(wantedAnswer, MOST_BYTES);
export const readRunningQuestion = jsonReader(runningQuestion, MOST_BYTES);
export const readRunningAnswer = jsonReader(runningAnswer, MOST_BYTES);
export const readControlOrder = jsonReader(controlOrder, MOST_BYTES);
export const readControlAnswer = jsonReader(controlAnswer, MOST_BYTES);
