/** What frames say beside their bytes. JSON, one shape for each kind that has any. */
import { z } from 'zod';
import { ackSubject, amount, incarnation, workKey } from './fields.ts';
import { readRecord } from './json-message.ts';

/** Longest pause that an engine may ask for, ms: workers cut theirs far below. */
const MOST_BUSY_MS = 3_600_000;

const acceptedMeta = z.object({
  /** Ack subject of the delivery, echoed as the broker gave it. */
  ack: ackSubject,
  /** Milliseconds between acceptance at the ingress and the worker taking it. */
  waitMs: z.number().min(-MOST_BUSY_MS).max(Number.MAX_SAFE_INTEGER),
  /** See {@link Heartbeat.incarnation}. */
  incarnation: incarnation.optional(),
  /** Of the message, see {@link WorkMeta.key}: it shows that its sender was given the request. Workers of the version before send none. */
  key: workKey.optional(),
});
export type AcceptedMeta = z.infer<typeof acceptedMeta>;

const resultMeta = z.object({
  status: z.int().min(200).max(599),
  contentType: z.string().max(1024),
});
export type ResultMeta = z.infer<typeof resultMeta>;

const failedMeta = z.object({
  /** Code of the error table. */
  code: z.string().max(64),
  /** For people; never holds prompt text. */
  message: z.string(),
  /** Whether another attempt can help. */
  retryable: z.boolean(),
  /**
   * The engine has no room now: the request goes back to the queue for so long, ms, and neither an attempt nor a failure is
   * counted.
   */
  busyMs: amount.max(MOST_BUSY_MS).optional(),
});
export type FailedMeta = z.infer<typeof failedMeta>;

const SHAPES = { accepted: acceptedMeta, result: resultMeta, failed: failedMeta } as const;

/** Whether a frame's meta is what frames of its kind have: whoever reads such a frame may rely on it. */
export function isMetaOf(kind: string, meta: string): boolean {
  return !Object.hasOwn(SHAPES, kind) || readRecord(SHAPES[kind as keyof typeof SHAPES], meta) !== null;
}
