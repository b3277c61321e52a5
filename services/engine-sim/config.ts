/** Everything that can be set on a simulated engine, or on several in one process. */
import { z } from 'zod';
import { PROFILES } from './batching/timing.ts';
import { DIALECTS } from './engine/dialect.ts';
import type { EngineOptions } from './engine/engine.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const factor = z.coerce.number().positive().max(1e6);
const count = z.coerce.number().int().min(1);
const profile = z.string().refine(name => Object.hasOwn(PROFILES, name), {
  error: `use one of ${Object.keys(PROFILES).join(', ')}`,
});
const modelName = z.string().trim().min(1).max(256);

const oneEngine = z.strictObject({
  port: port.optional(),
  models: z.array(modelName).min(1).optional(),
  profile: profile.optional(),
  slowdown: factor.optional(),
  timeScale: factor.optional(),
  maxNumSeqs: count.optional(),
  kvBlocks: count.optional(),
  blockTokens: count.optional(),
  listSentinels: z.boolean().optional(),
  obeySentinels: z.boolean().optional(),
  endpoints: z.array(z.string()).optional(),
  dialect: z.enum(DIALECTS).optional(),
  tokensPerChunk: count.optional(),
});

const json = z.string().transform((text, ctx): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    ctx.addIssue({ code: 'custom', message: 'must be JSON' });
    return z.NEVER;
  }
});

export const simConfig = z.object({
  PENSTOCK_SIM_PORT: port.default(0).describe('Port; 0 picks a free one, printed at start.'),
  PENSTOCK_SIM_HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  PENSTOCK_SIM_MODELS: z
    .string()
    .default('sim-chat,sim-embed')
    .transform(list => list.split(','))
    .pipe(z.array(modelName))
    .describe('Models served, separated by commas.'),
  PENSTOCK_SIM_PROFILE: profile
    .default('dense-8b-h100')
    .describe('Hardware and model whose speed is simulated.'),
  PENSTOCK_SIM_SLOWDOWN: factor.default(1).describe('2 = twice as slow as the profile.'),
  PENSTOCK_SIM_TIME_SCALE: factor
    .default(1)
    .describe('10 = simulated time runs ten times as fast as real time.'),
  PENSTOCK_SIM_START_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .default(0)
    .describe('How long it takes until it listens, as an engine that loads its model.'),
  PENSTOCK_SIM_ENGINES: json
    .pipe(z.array(oneEngine).min(1))
    .optional()
    .describe('Several engines in one process: a JSON array of what differs from the settings above.'),
});

export interface EngineToStart {
  readonly port: number;
  readonly options: EngineOptions;
}

/** One entry per engine. Where a port is set for all and several engines have none of their own, they count up from it. */
export function enginesToStart(config: z.infer<typeof simConfig>): EngineToStart[] {
  const shared = {
    models: config.PENSTOCK_SIM_MODELS,
    profile: config.PENSTOCK_SIM_PROFILE,
    slowdown: config.PENSTOCK_SIM_SLOWDOWN,
    timeScale: config.PENSTOCK_SIM_TIME_SCALE,
  };
  const base = config.PENSTOCK_SIM_PORT;
  return (config.PENSTOCK_SIM_ENGINES ?? [{}]).map((own, i) => {
    const { port: ownPort, ...options } = own;
    return { port: ownPort ?? (base === 0 ? 0 : base + i), options: { ...shared, ...options } };
  });
}
