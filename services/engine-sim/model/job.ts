/** Turns a request body into what the engine has to compute. Reads only what the simulator acts on. */

import {
  type BlockChain,
  BYTES_PER_TOKEN,
  DEFAULT_BLOCK_TOKENS,
  idBlocks,
  textBlocks,
} from '../batching/prefix-cache.ts';
import { BadRequest } from './bad-request.ts';
import { defaultOutputTokens, identifyPrompt, type PromptIdentity, tokensBetween } from './text.ts';
import { type ToolCall, toolCallFor } from './tool-call.ts';

/** What a chat template adds around each message. */
const TOKENS_PER_MESSAGE = 4;
/** Block size of the ids in the Mooncake trace. */
const TRACE_BLOCK_TOKENS = 512;
const MAX_SEQUENCES = 128;

export type Endpoint = 'chat' | 'completions';
type Json = Record<string, unknown>;

export interface Job {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly promptTokens: number;
  readonly mismatch: boolean;
  /** One per choice of the answer. */
  readonly answers: readonly Answer[];
}

/** One sequence to generate. */
export interface Answer {
  readonly hash: string;
  /** Which of the `n` answers to the same prompt. */
  readonly variant: number;
  /** Index of the first token to generate. */
  readonly from: number;
  readonly outputTokens: number;
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  /** A call instead of text. */
  readonly call: ToolCall | null;
  readonly promptTokens: number;
  readonly blocks: () => BlockChain;
  readonly answeredBlocks: () => BlockChain;
}

/** @param blockTokens size of the prefix cache's blocks. @throws BadRequest */
export function readJob(
  endpoint: Endpoint,
  model: string,
  body: Json,
  blockTokens = DEFAULT_BLOCK_TOKENS,
): Job {
  const n = optionalInt(body, 'n') ?? 1;
  const prompts = endpoint === 'chat' ? [chatPrompt(body)] : completionPrompts(body);
  if (n * prompts.length > MAX_SEQUENCES) throw new BadRequest(`at most ${MAX_SEQUENCES} choices`, 'n');
  const read = prompts.map(prompt => {
    const identity = identifyPrompt(prompt.body);
    return { prompt: asCounted(prompt, identity), identity };
  });
  const answers = read.flatMap(({ prompt, identity }) =>
    Array.from({ length: n }, (_, variant) => readAnswer(body, prompt, identity, variant, blockTokens)),
  );
  const streamOptions = body['stream_options'] as { include_usage?: unknown } | null | undefined;
  return {
    endpoint,
    model,
    stream: body['stream'] === true,
    includeUsage: streamOptions?.include_usage === true,
    promptTokens: answers.reduce((sum, a) => sum + (a.variant === 0 ? a.promptTokens : 0), 0),
    mismatch: read.some(r => r.identity.mismatch),
    answers,
  };
}

/** The beginning of the answer that it holds counts as what it was generated as. */
function asCounted(prompt: Prompt, { answered, mismatch }: PromptIdentity): Prompt {
  if (answered === 0 || mismatch) return prompt;
  return { ...prompt, tokens: prompt.tokensBefore(answered) + answered };
}

interface Prompt {
  /** The part of the body that identifies it. */
  readonly body: Json;
  readonly tokens: number;
  /** Without the first tokens of the answer that it ends with. */
  readonly tokensBefore: (answered: number) => number;
  /** As a template would write it: the text the blocks are cut from. */
  readonly text: () => string;
  /** What stands between the prompt and a new answer. */
  readonly answerHead: string;
}

function readAnswer(
  body: Json,
  prompt: Prompt,
  identity: PromptIdentity,
  variant: number,
  blockTokens: number,
): Answer {
  const limit = optionalInt(body, 'max_completion_tokens', 0) ?? optionalInt(body, 'max_tokens', 0);
  const replay = readReplay(body);
  const call = toolCallFor(body);
  const total =
    replay?.outputTokens ??
    call?.pieces.length ??
    (limit === null ? defaultOutputTokens(identity.hash) : null);
  // A limit counts from here; a length of its own counts from the answer's first token.
  const wanted = total === null ? Number.POSITIVE_INFINITY : Math.max(0, total - identity.answered);
  const outputTokens = Math.min(wanted, limit ?? Number.POSITIVE_INFINITY);
  const ids = replay?.hashIds;
  const text = () =>
    (
      call?.pieces ??
      tokensBetween(identity.hash, identity.answered, identity.answered + outputTokens, variant)
    ).join('');
  return {
    hash: identity.hash,
    variant,
    from: identity.answered,
    outputTokens,
    finishReason: wanted > outputTokens ? 'length' : call === null ? 'stop' : 'tool_calls',
    call,
    promptTokens: replay?.promptTokens ?? prompt.tokens,
    blocks: () => (ids ? idBlocks(ids, TRACE_BLOCK_TOKENS) : textBlocks(prompt.text(), blockTokens)),
    answeredBlocks: () =>
      ids
        ? idBlocks(ids, TRACE_BLOCK_TOKENS)
        : textBlocks(prompt.text() + (identity.answered > 0 ? '' : prompt.answerHead) + text(), blockTokens),
  };
}

const head = (role: string) => `\u0001${role}\u0002`;

function chatPrompt(body: Json): Prompt {
  const messages = body['messages'];
  if (!Array.isArray(messages) || messages.length === 0)
    throw new BadRequest('messages must be a non-empty array', 'messages');
  const parts = messages.map((message: unknown, i) => {
    if (typeof message !== 'object' || message === null)
      throw new BadRequest(`messages[${i}] must be an object`, `messages[${i}]`);
    const { role, content } = message as Json;
    return { role: String(role), text: contentText(content) };
  });
  const tokensIn = (some: typeof parts) =>
    Math.ceil(some.reduce((sum, part) => sum + Buffer.byteLength(part.text), 0) / BYTES_PER_TOKEN) +
    TOKENS_PER_MESSAGE * some.length;
  return {
    body,
    tokens: tokensIn(parts),
    tokensBefore: () => tokensIn(parts.slice(0, -1)),
    text: () => parts.map(part => head(part.role) + part.text).join(''),
    answerHead: head('assistant'),
  };
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map(part => (typeof part?.text === 'string' ? part.text : '')).join('');
}

function completionPrompts(body: Json): Prompt[] {
  const prompt = body['prompt'];
  const several = Array.isArray(prompt) && (typeof prompt[0] === 'string' || Array.isArray(prompt[0]));
  return (several ? prompt : [prompt]).map((one: unknown) => {
    const ids = Array.isArray(one) && one.length > 0;
    if (!ids && typeof one !== 'string')
      throw new BadRequest('prompt must be a string or token ids, or an array of such', 'prompt');
    const tokensIn = (text: string) => Math.max(1, Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN));
    return {
      body: { prompt: one },
      tokens: ids ? one.length : tokensIn(one as string),
      tokensBefore: answered => tokensIn((one as string).split(' ').slice(0, -answered).join(' ')),
      text: () => (ids ? one.join(' ') : (one as string)),
      answerHead: '',
    };
  });
}

/** Tokens `from` to `to` of an answer, counted from its first generated one. */
export function piecesOf({ call, hash, from: first, variant }: Answer, from: number, to: number) {
  return call?.pieces.slice(from, to) ?? tokensBetween(hash, first + from, first + to, variant);
}

/** Lengths and blocks of a recorded request, for replaying traces whose text was not published. */
function readReplay(
  body: Json,
): { promptTokens: number | null; outputTokens: number | null; hashIds: number[] | null } | null {
  const replay = body['penstock_sim'];
  if (typeof replay !== 'object' || replay === null) return null;
  const ids = (replay as Json)['hash_ids'];
  if (ids !== undefined && !(Array.isArray(ids) && ids.every(Number.isInteger)))
    throw new BadRequest('hash_ids must be integers', 'penstock_sim.hash_ids');
  return {
    promptTokens: optionalInt(replay as Json, 'prompt_tokens'),
    outputTokens: optionalInt(replay as Json, 'output_tokens'),
    hashIds: (ids as number[] | undefined) ?? null,
  };
}

function optionalInt(body: Json, field: string, least = 1): number | null {
  const value = body[field];
  if (value === undefined || value === null) return null;
  if (!Number.isInteger(value) || (value as number) < least)
    throw new BadRequest(`${field} must be an integer of at least ${least}`, field);
  return value as number;
}
