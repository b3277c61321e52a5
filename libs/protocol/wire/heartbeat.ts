/** What a worker says about itself once a second, and what is known of a model. JSON. */
import { z } from 'zod';
import { jsonReader } from './json-message.ts';

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
  /** False while the engine is sick or the worker drains: it takes nothing new. */
  pulling: z.boolean(),
  /** True in the last heartbeat of a worker that leaves in order. */
  leaving: z.boolean(),
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

export const readHeartbeat = jsonReader(heartbeat);
export const readModelInfo = jsonReader(modelInfo);
