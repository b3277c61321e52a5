/** What a worker says about itself once a second, and what is known of a model. JSON. */
import { z } from 'zod';
import { isEndpoint, USUAL_ENDPOINTS } from './endpoints.ts';
import { jsonReader } from './json-message.ts';

const modelInfo = z.object({
  /** The name clients use. */
  name: z.string(),
  slug: z.string(),
  /** Unix seconds, for `GET /v1/models`. */
  created: z.number(),
  ownedBy: z.string(),
  /** Decides the default affinity; null where neither engine, operator nor the model's name says. */
  architecture: z.enum(['dense', 'moe']).nullable().default(null),
  /** What its engine can be asked. Names of a later version are left out. */
  endpoints: z
    .array(z.string())
    .default([...USUAL_ENDPOINTS])
    .transform(names => names.filter(isEndpoint)),
  /** Most tokens of prompt and answer together, where the engine says. */
  maxModelLen: z.number().optional(),
  /** What it was loaded from, and what it is an adapter of, where the engine says. */
  root: z.string().optional(),
  parent: z.string().optional(),
  /** In the registry: when it was unloaded everywhere, Unix ms. */
  withdrawnAt: z.number().optional(),
});
export type ModelInfo = z.infer<typeof modelInfo>;

/** What people and a scaler look at; no request is dispatched by it. */
const report = z.object({
  /** Requests that run or are about to. */
  running: z.number().min(0),
  /** KV cache in use, 0–1; null where the engine does not tell. */
  kvUse: z.number().nullable(),
  /** Share of recent attempts that failed, 0–1. */
  errorRate: z.number(),
  /** Output tokens since the process began: as engines report them, else one a chunk. */
  outputTokens: z.number().min(0),
  /**
   * Why nothing new is taken; null while it is. `drained` by an operator, `draining` because it shuts down, `cut_off` because its
   * replies do not get through to Redis.
   */
  resting: z.enum(['drained', 'draining', 'engine_sick', 'cut_off']).nullable(),
  /** Interactive requests alone, that run and that were begun since the process began. Absent from versions that do not tell them apart. */
  interactive: z.object({ running: z.number().min(0), begun: z.number().min(0) }).optional(),
  /** By kind of work (`interactive_short`, `batch_any`): the level it bids, or why it does not. */
  bids: z.record(z.string(), z.union([z.number(), z.string()])).default({}),
});
export type WorkerReport = z.infer<typeof report>;

const heartbeat = z.object({
  v: z.literal(1),
  worker: z.string(),
  /** The pool that it is deployed with; absent where none is configured, and from versions that do not send it. */
  pool: z.string().optional(),
  /** Identifies the process: a restarted worker keeps its name. Empty from versions that do not send it. */
  incarnation: z.string().default(''),
  models: z.array(modelInfo),
  /** Stream of the region that it pulls from. */
  shard: z.number().int().min(0),
  slots: z.number(),
  /** False while the engine is sick or the worker drains, and nothing new is taken. */
  pulling: z.boolean(),
  /** True in the last heartbeat of a worker that shuts down properly. */
  leaving: z.boolean(),
  /** Wait before a new prompt's prefill would begin, s. */
  waitS: z.number(),
  /** Prompt tokens prefilled per second, learned. */
  tokensPerSec: z.number(),
  /** Recent share of its time spent working, 0–1. 0 from versions that do not send it. */
  load: z.number().default(0),
  /** As on reply packets. */
  cacheTokens: z.number(),
  /** Tokens the prefix cache can hold; null where the engine does not report it. */
  cacheCapacity: z.number().nullable(),
  /** Absent from versions that do not send it, and where this version cannot read it: that must not hide a worker. */
  report: report.optional().catch(undefined),
});
export type Heartbeat = z.infer<typeof heartbeat>;

export const readHeartbeat = jsonReader(heartbeat);
export const readModelInfo = jsonReader(modelInfo);
