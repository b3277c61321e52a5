/**
 * Fields that several of OpenAI's requests share. Unknown fields pass through to the engine; known ones are checked
 * (OpenAPI 2.3.0 of platform.openai.com, limits tightened where an engine has been killed by them: vLLM < 0.19 died of
 * n = 1,000,000, CVE-2026-34756). `null` counts as absent, as the SDKs send it.
 */
import { z } from 'zod';

/** Longest text that tells which requests belong together. */
const MAX_KEY = 512;
const MAX_CHOICES = 128;
/** An engine looks for each of them at every token. */
const MAX_STOPS = 128;
const MAX_METADATA_PAIRS = 16;

export const between = (min: number, max: number) => z.number().min(min).max(max).nullish();
export const countUpTo = (max: number) => z.int().min(1).max(max).nullish();
const strings = (max: number) => z.union([z.string(), z.array(z.string()).max(max)]).nullish();

export const modelField = z.string().min(1).max(256);
/** `libs/policy` decides what each is run as; names that are not known there count as `default`. */
export const tierField = z.string().max(64).nullish();
const MOST_TOKENS = 10_000_000;
export const outputTokensField = countUpTo(MOST_TOKENS);
/** 0 where only the prompt is scored; -1 is no limit, as LM Studio and llama.cpp have it. */
export const maxTokensField = z.int().min(-1).max(MOST_TOKENS).nullish();
/** OpenAI takes up to 2; engines have no limit. */
export const temperatureField = between(0, 100);
export const topPField = between(0, 1);
export const penaltyField = between(-2, 2);

/** At most 16 pairs, as OpenAI has it. */
export const metadataPairs = z
  .record(z.string().max(64), z.string().max(512))
  .refine(pairs => Object.keys(pairs).length <= MAX_METADATA_PAIRS, {
    error: `at most ${MAX_METADATA_PAIRS} pairs`,
  })
  .meta({ maxProperties: MAX_METADATA_PAIRS });
export const metadataField = metadataPairs.nullish();

export const endUserFields = {
  // Some clients send a number of their database.
  user: z.union([z.string().max(512), z.number()]).nullish(),
  safety_identifier: z.string().max(64).nullish(),
  prompt_cache_key: z.string().max(MAX_KEY).nullish(),
};

const sessionFields = {
  ...endUserFields,
  // Not of these APIs, so nothing is refused: an id, or an object with one, as the Responses API has it.
  conversation: z.unknown().optional(),
};
const session = z.object(sessionFields);

/** What chat completions and completions have in common. */
export const generationFields = {
  model: modelField,
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  n: countUpTo(MAX_CHOICES),
  max_tokens: maxTokensField,
  temperature: temperatureField,
  top_p: topPField,
  presence_penalty: penaltyField,
  frequency_penalty: penaltyField,
  stop: strings(MAX_STOPS),
  // Up to 64 bits, which a number of JavaScript does not hold: the engine gets the client's digits.
  seed: z.number().nullish(),
  logit_bias: z.record(z.string(), between(-100, 100)).nullish(),
  ...sessionFields,
};

/** What tells which requests belong together. */
export function sessionOf(body: z.infer<typeof session>) {
  const { conversation } = body;
  const id = typeof conversation === 'object' ? (conversation as { id?: unknown } | null)?.id : conversation;
  return {
    cacheKey: body.prompt_cache_key ?? null,
    endUser: body.safety_identifier ?? body.user?.toString() ?? null,
    conversation: typeof id === 'string' && id.length <= MAX_KEY ? id : null,
  };
}

/** Limit on output tokens; null where there is none. */
export function limitOf(...limits: readonly (number | null | undefined)[]): number | null {
  const limit = limits.find(value => value !== null && value !== undefined) ?? null;
  return limit === -1 ? null : limit;
}
