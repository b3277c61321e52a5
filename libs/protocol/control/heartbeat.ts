/** What a worker says about itself once a second, and what is known of a model. JSON. */
import { z } from 'zod';
import { isEndpoint, USUAL_ENDPOINTS } from '../wire/endpoints.ts';
import {
  amount,
  incarnation,
  MOST_TOKENS_PER_SEC,
  MOST_WAIT_S,
  name,
  shard,
  token,
  upTo,
} from '../wire/fields.ts';
import { jsonReader } from '../wire/json-message.ts';
import { toModelSlug } from '../wire/token.ts';

/** Models that a worker may serve. Each has queues of its own in the stream that all workers share. */
export const MOST_MODELS = 256;
const MOST_OWNER = 256;

const modelFields = z.object({
  /** The name clients use. */
  name,
  /** Made of the name: nobody can give a model the queue of another one. */
  slug: token,
  /** Unix seconds, for `GET /v1/models`. */
  created: z.number(),
  ownedBy: z.string().max(MOST_OWNER),
  /** Decides the default affinity; null where neither engine, operator nor the model's name says. */
  architecture: z.enum(['dense', 'moe']).nullable().default(null),
  /** What its engine can be asked. Names of a later version are left out. */
  endpoints: z
    .array(z.string().max(64))
    .max(64)
    .default([...USUAL_ENDPOINTS])
    .transform(names => names.filter(isEndpoint)),
  /** Most tokens of prompt and answer together, where the engine says. */
  maxModelLen: amount.optional(),
  /** What it was loaded from, and what it is an adapter of, where the engine says. */
  root: name.optional(),
  parent: name.optional(),
  /** In the registry: when it was unloaded everywhere, Unix ms. */
  withdrawnAt: amount.optional(),
});
const modelInfo = modelFields.refine(model => model.slug === toModelSlug(model.name));
export type ModelInfo = z.infer<typeof modelInfo>;

/** Kinds of work, with room for those of later versions. */
const MOST_BIDS = 32;

/** What people and a scaler look at; no request is dispatched by it. */
const report = z.object({
  /** Requests that run or are about to. */
  running: amount,
  /** KV cache in use, 0–1; null where the engine does not tell. */
  kvUse: amount.nullable(),
  /** Share of recent attempts that failed, 0–1. */
  errorRate: amount,
  /** Output tokens since the process began: as engines report them, else one a chunk. */
  outputTokens: amount,
  /**
   * Why nothing new is taken; null while it is. `drained` by an operator, `draining` because it shuts down, `cut_off` because its
   * replies do not get through to Redis.
   */
  resting: z.enum(['drained', 'draining', 'engine_sick', 'cut_off']).nullable(),
  /** Interactive requests alone, that run and that were begun since the process began. Absent from versions that do not tell them apart. */
  interactive: z.object({ running: amount, begun: amount }).optional(),
  /** By kind of work (`interactive_short`, `batch_any`): the level it bids, or why it does not. */
  bids: z
    .record(token, z.union([amount, token]))
    .refine(bids => Object.keys(bids).length <= MOST_BIDS)
    .default({}),
});
export type WorkerReport = z.infer<typeof report>;

/** Longer than any heartbeat with that many models, and than any model. */
const MOST_BYTES = 1024 * 1024;
const MOST_MODEL_BYTES = 16 * 1024;
/** Requests at once, beyond which a number is no limit that an engine has. */
export const MOST_SLOTS = 1_000_000;

const heartbeat = z.object({
  v: z.literal(1),
  worker: token,
  /** The pool that it is deployed with; absent where none is configured, and from versions that do not send it. */
  pool: token.optional(),
  /** Identifies the process: a restarted worker keeps its name. Empty from versions that do not send it. */
  incarnation: incarnation.default(''),
  models: z.array(modelInfo).max(MOST_MODELS),
  /** Stream of the region that it pulls from. */
  shard,
  slots: upTo(MOST_SLOTS),
  /** False while the engine is sick or the worker drains, and nothing new is taken. */
  pulling: z.boolean(),
  /** True in the last heartbeat of a worker that shuts down properly. */
  leaving: z.boolean(),
  /** Wait before a new prompt's prefill would begin, s. */
  waitS: upTo(MOST_WAIT_S),
  /** Prompt tokens prefilled per second, learned. */
  tokensPerSec: upTo(MOST_TOKENS_PER_SEC),
  /** Recent share of its time spent working, 0–1. 0 from versions that do not send it. */
  load: amount.default(0),
  /** As on reply packets. */
  cacheTokens: amount,
  /** Tokens the prefix cache can hold; null where the engine does not report it. */
  cacheCapacity: amount.nullable(),
  /** It says the key of what it was given (see {@link WorkMeta.key}); a worker of the version before does not, and is believed without. */
  keyed: z.boolean().optional(),
  /** Absent from versions that do not send it, and where this version cannot read it: that must not hide a worker. */
  report: report.optional().catch(undefined),
});
export type Heartbeat = z.infer<typeof heartbeat>;

const readAnyHeartbeat = jsonReader(heartbeat, MOST_BYTES);

/** @param from the worker on whose subject it came: nobody speaks for another one. */
export function readHeartbeat(bytes: Uint8Array, from: string): Heartbeat | null {
  const read = readAnyHeartbeat(bytes);
  return read?.worker === from ? read : null;
}

export const readModelInfo = jsonReader(modelInfo, MOST_MODEL_BYTES);
