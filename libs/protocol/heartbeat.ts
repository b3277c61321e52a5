/** What a worker says about itself once a second, and the messages between ingress and worker. JSON, one shape each. */
import { z } from 'zod';

const modelInfo = z.object({
  /** The name clients use. */
  name: z.string(),
  slug: z.string(),
  /** Unix seconds, for `GET /v1/models`. */
  created: z.number(),
  ownedBy: z.string(),
  /** What decides how its requests are bound to workers; null where neither engine nor operator nor its name tell. */
  architecture: z.enum(['dense', 'moe']).nullable().default(null),
});
export type ModelInfo = z.infer<typeof modelInfo>;

const heartbeat = z.object({
  v: z.literal(1),
  worker: z.string(),
  /** Of the worker's process: a worker that is started again keeps its name. Between versions: empty where it does not tell. */
  incarnation: z.string().default(''),
  models: z.array(modelInfo),
  /** Stream of the region that it pulls from. */
  shard: z.number().int().min(0),
  slots: z.number(),
  running: z.number(),
  /** False while the engine is sick or the worker drains: it takes nothing new. */
  pulling: z.boolean(),
  /** True in the last heartbeat of a worker that leaves in order. */
  leaving: z.boolean(),
  /** Quoted level 0–9 for new interactive work. */
  level: z.number(),
  /** Wait before a new prompt's prefill would begin, s. */
  waitS: z.number(),
  /** Prompt tokens prefilled per second, learned. */
  tokensPerSec: z.number(),
  /** Share of its time that it lately worked. Between versions: 0 where it does not tell. */
  load: z.number().default(0),
  /** As on reply packets. */
  cacheTokens: z.number(),
  /** Tokens the prefix cache can hold; null where the engine does not tell. */
  cacheCapacity: z.number().nullable(),
});
export type Heartbeat = z.infer<typeof heartbeat>;

/** Ingress → worker: stop working for this request. */
const cancelMessage = z.object({ cancel: z.string(), attempt: z.number() });
export type CancelMessage = z.infer<typeof cancelMessage>;

/** Worker → ingress: may I run this attempt, and what has the client already? */
const resumeQuestion = z.object({ id: z.string(), attempt: z.number(), worker: z.string() });
export type ResumeQuestion = z.infer<typeof resumeQuestion>;

/** Ingress → worker. `gone`: nobody waits, drop it. `start`: run from the beginning. `continue`: go on after `text`. */
const resumeAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('gone') }),
  z.object({ kind: z.literal('start') }),
  z.object({
    kind: z.literal('continue'),
    /** Assistant text the client has. */
    text: z.string(),
    /** Content chunks the client has; stands for the tokens already produced. */
    chunks: z.number(),
    /** `id` and `created` of the first chunk: every chunk of a stream carries the same. */
    chunkId: z.string(),
    created: z.number(),
  }),
]);
export type ResumeAnswer = z.infer<typeof resumeAnswer>;

function reader<T>(schema: z.ZodType<T>): (bytes: Uint8Array) => T | null {
  return bytes => {
    try {
      const parsed = schema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
      return parsed.success ? parsed.data : null;
    } catch {
      return null;
    }
  };
}

/** Each returns null for bytes that are not this message: a foreign or newer peer is ignored, not fatal. */
export const readHeartbeat = reader(heartbeat);
export const readCancel = reader(cancelMessage);
export const readResumeQuestion = reader(resumeQuestion);
export const readResumeAnswer = reader(resumeAnswer);
export const readModelInfo = reader(modelInfo);

export function encodeMessage(
  message: Heartbeat | CancelMessage | ResumeQuestion | ResumeAnswer | ModelInfo,
): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}
