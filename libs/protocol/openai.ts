/**
 * The part of OpenAI's request bodies that this system reads or protects engines from. Unknown fields pass through to
 * the engine; known ones are checked (OpenAPI 2.3.0 of platform.openai.com, limits tightened where an engine has been
 * killed by them: vLLM < 0.19 died of n = 1,000,000, CVE-2026-34756). `null` counts as absent, as the SDKs send it.
 */
import { z } from 'zod';
import { DispatchError } from './errors.ts';

/** What dispatch needs to know of a request. */
export interface RequestSummary {
  readonly model: string;
  readonly stream: boolean;
  /** Limit on output tokens, where the client named one. */
  readonly maxTokens: number | null;
  /** UTF-16 units of prompt text; good enough to guess tokens from. */
  readonly promptBytes: number;
  readonly cacheKey: string | null;
  /** The client's name for its end user, `safety_identifier` or the older `user`. */
  readonly endUser: string | null;
  /** The conversation it is part of, where the client names one. */
  readonly conversation: string | null;
  /** Whether another engine could go on after a partial answer: plain text, one choice. */
  readonly continuable: boolean;
  /** `service_tier`, where the client named one. */
  readonly tier: ServiceTier | null;
  /** The answer is to be kept as a stored chat completion. */
  readonly store: boolean;
}

const MAX_KEY = 512;
export const MAX_MESSAGES = 2048;
export const MAX_PARTS = 256;
export const SERVICE_TIERS = ['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'] as const;
export type ServiceTier = (typeof SERVICE_TIERS)[number];

const MAX_INPUTS = 2048;
const MAX_CHOICES = 8;
/** Bytes of English text per token, about. */
const BYTES_PER_TOKEN = 4;

const between = (min: number, max: number) => z.number().min(min).max(max).nullish();
const count = (max: number) => z.int().min(1).max(max).nullish();
const strings = (max: number) => z.union([z.string(), z.array(z.string()).max(max)]).nullish();

const keys = {
  user: z.string().max(512).nullish(),
  safety_identifier: z.string().max(64).nullish(),
  // Not of these APIs, so nothing is refused: an id, or an object with one, as the Responses API has it.
  conversation: z.unknown().optional(),
  prompt_cache_key: z.string().max(512).nullish(),
};
const keyFields = z.object(keys);
/** At most 16 pairs, as OpenAI has it. */
export const metadataField = z
  .record(z.string().max(64), z.string().max(512))
  .refine(pairs => Object.keys(pairs).length <= 16, { error: 'at most 16 pairs' })
  .nullish();

const common = {
  model: z.string().min(1).max(256),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  n: count(MAX_CHOICES),
  max_tokens: count(10_000_000),
  temperature: between(0, 2),
  top_p: between(0, 1),
  presence_penalty: between(-2, 2),
  frequency_penalty: between(-2, 2),
  stop: strings(4),
  seed: z.int().nullish(),
  logit_bias: z.record(z.string(), between(-100, 100)).nullish(),
  ...keys,
};

export const chatFields = z.looseObject({
  ...common,
  // Checked by hand below: a schema over every part cost 60 µs for ten messages, this 2 µs.
  messages: z.custom<unknown[]>(
    value => Array.isArray(value) && value.length > 0 && value.length <= MAX_MESSAGES,
    {
      error: issue =>
        Array.isArray(issue.input)
          ? `expected 1 to ${MAX_MESSAGES} messages, but got ${issue.input.length} instead`
          : 'expected an array of messages',
    },
  ),
  max_completion_tokens: count(10_000_000),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(z.looseObject({})).max(256).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  service_tier: z.enum(SERVICE_TIERS).nullish(),
  metadata: metadataField,
  store: z.boolean().nullish(),
  parallel_tool_calls: z.boolean().nullish(),
});

export const completionFields = z.looseObject({
  ...common,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(MAX_INPUTS),
    z.array(z.int()).min(1),
    z.array(z.array(z.int()).min(1)).min(1).max(MAX_INPUTS),
  ]),
  best_of: count(20),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  logprobs: z.int().min(0).max(5).nullish(),
});

export const embeddingFields = z.looseObject({
  model: common.model,
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(MAX_INPUTS),
    z.array(z.int()).min(1).max(MAX_INPUTS),
    z.array(z.array(z.int()).min(1)).min(1).max(MAX_INPUTS),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(65_536).nullish(),
  user: z.string().max(512).nullish(),
});

/** @throws DispatchError `invalid_request` with the field in `param`; likewise the two below. */
export function validateChat(value: unknown): RequestSummary {
  const body = check(chatFields, value);
  const promptBytes = checkMessages(body.messages);
  const format = body.response_format?.type ?? 'text';
  return {
    model: body.model,
    stream: body.stream ?? false,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    promptBytes,
    ...keysOf(body),
    continuable: (body.n ?? 1) === 1 && !body.tools?.length && !body.logprobs && format === 'text',
    tier: body.service_tier ?? null,
    store: body.store ?? false,
  };
}

export function validateCompletion(value: unknown): RequestSummary {
  const body = check(completionFields, value);
  return {
    model: body.model,
    stream: body.stream ?? false,
    maxTokens: body.max_tokens ?? 16,
    promptBytes: sizeOf(body.prompt),
    ...keysOf(body),
    continuable:
      typeof body.prompt === 'string' && (body.n ?? 1) === 1 && !body.logprobs && !body.echo && !body.suffix,
    ...{ tier: null, store: false },
  };
}

export function validateEmbedding(value: unknown): RequestSummary {
  const body = check(embeddingFields, value);
  return {
    model: body.model,
    stream: false,
    maxTokens: null,
    promptBytes: sizeOf(body.input),
    cacheKey: null,
    endUser: null,
    conversation: null,
    continuable: false,
    ...{ tier: null, store: false },
  };
}

/** What tells which requests belong together. */
function keysOf(body: z.infer<typeof keyFields>) {
  const { conversation } = body;
  const id = typeof conversation === 'object' ? (conversation as { id?: unknown } | null)?.id : conversation;
  return {
    cacheKey: body.prompt_cache_key ?? null,
    endUser: body.safety_identifier ?? body.user ?? null,
    conversation: typeof id === 'string' && id.length <= MAX_KEY ? id : null,
  };
}

export function estimatePromptTokens(promptBytes: number): number {
  return Math.ceil(promptBytes / BYTES_PER_TOKEN);
}

function check<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DispatchError('invalid_request', { message: 'The body must be a JSON object.' });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = pathOf(issue?.path ?? []);
  throw new DispatchError('invalid_request', { param: path, message: explain(value, path, issue) });
}

/** OpenAI's wording where it is known; the value itself is never quoted. */
function explain(value: object, path: string, issue: z.core.$ZodIssue | undefined): string {
  const top = issue?.path[0];
  if (
    issue?.path.length === 1 &&
    typeof top === 'string' &&
    (value as Record<string, unknown>)[top] == null
  ) {
    return `Missing required parameter: '${path}'.`;
  }
  if (issue?.code === 'invalid_type') return `Invalid type for '${path}': expected ${issue.expected}.`;
  return `Invalid value for '${path}': ${(issue?.message ?? 'not accepted').replace(/^Invalid input: /, '')}.`;
}

function pathOf(path: readonly PropertyKey[]): string {
  let out = '';
  for (const key of path)
    out += typeof key === 'number' ? `[${key}]` : out === '' ? String(key) : `.${String(key)}`;
  return out.slice(0, 100);
}

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);

/** Returns the size of all text. */
function checkMessages(messages: readonly unknown[]): number {
  let size = 0;
  for (const [i, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      throw invalidField(`messages[${i}]`, 'expected an object');
    }
    const { role, content } = message as { role?: unknown; content?: unknown };
    if (typeof role !== 'string') throw invalidField(`messages[${i}].role`, 'expected a string');
    if (!ROLES.has(role))
      throw invalidField(`messages[${i}].role`, `expected one of ${[...ROLES].join(', ')}`);
    size += checkContent(content, role, i);
  }
  return size;
}

function checkContent(content: unknown, role: string, i: number): number {
  const path = `messages[${i}].content`;
  if (typeof content === 'string') return content.length;
  if (content === null || content === undefined) {
    if (role === 'assistant') return 0;
    throw new DispatchError('invalid_request', {
      param: path,
      message: `Missing required parameter: '${path}'.`,
    });
  }
  if (!Array.isArray(content)) throw invalidField(path, 'expected a string or an array of parts');
  if (content.length === 0 || content.length > MAX_PARTS)
    throw invalidField(path, `expected 1 to ${MAX_PARTS} parts`);
  let size = 0;
  for (const [j, part] of content.entries()) {
    if (typeof part !== 'object' || part === null) throw invalidField(`${path}[${j}]`, 'expected an object');
    const { type, text } = part as { type?: unknown; text?: unknown };
    if (typeof type !== 'string') throw invalidField(`${path}[${j}].type`, 'expected a string');
    if (type === 'text' && typeof text !== 'string')
      throw invalidField(`${path}[${j}].text`, 'expected a string');
    if (typeof text === 'string') size += text.length;
  }
  return size;
}

function invalidField(param: string, expected: string): DispatchError {
  return new DispatchError('invalid_request', {
    param,
    message: `Invalid type for '${param}': ${expected}.`,
  });
}

function sizeOf(input: string | readonly (string | number | readonly number[])[]): number {
  if (typeof input === 'string') return input.length;
  let size = 0;
  for (const item of input) {
    size +=
      typeof item === 'string' ? item.length : BYTES_PER_TOKEN * (typeof item === 'number' ? 1 : item.length);
  }
  return size;
}

const SLUG_LENGTH = 48;

/**
 * A model's name as a subject token. Names that are not tokens already get a hash, so that no two share a slug by
 * losing what told them apart.
 */
export function toModelSlug(name: string): string {
  if (/^[a-z0-9_-]{1,48}$/.test(name)) return name;
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^-+/, '');
  return `${readable.slice(0, SLUG_LENGTH - 9)}-${fnv1a(name)}`;
}

/** FNV-1a, 32 bits, as hex (http://www.isthe.com/chongo/tech/comp/fnv/). */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
