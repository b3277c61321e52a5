/** What one event of an engine's stream means, and what a whole answer does. */

import { ENDPOINT_TABLE, type Endpoint } from '../wire/endpoints.ts';
import { AnswerProgress } from './answer-progress.ts';
import type { ChatChunk } from './chat-chunk.ts';
import { type EngineError, findError } from './engine-error.ts';
import { parseEngineJson } from './engine-json.ts';
import type { SseEvent } from './sse.ts';

const DONE = '[DONE]';

export type EngineEvent =
  /** A comment. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly error: EngineError }
  | { readonly kind: 'chunk'; readonly chunk: ChatChunk }
  /** Neither JSON nor anything else that is known. */
  | { readonly kind: 'garbage' };

export function understandEvent({ data, name, raw }: Omit<SseEvent, 'isPlain'>): EngineEvent {
  if (data === null) return understandLine(raw);
  if (data.trim() === '') return { kind: 'nothing' };
  if (data.trim() === DONE) return { kind: 'done' };
  let said: unknown;
  try {
    said = parseEngineJson(data);
  } catch {
    return { kind: 'garbage' };
  }
  const error = findError(said, name);
  if (error !== null) return { kind: 'error', error };
  if (isChunk(said) && (said as { type?: unknown }).type === 'message_stop') return { kind: 'done' };
  return isChunk(said) ? { kind: 'chunk', chunk: said } : { kind: 'garbage' };
}

const OPEN_BRACE = 0x7b;

/** Some engines forget that they stream, and write an error as a line of JSON. */
function understandLine(line: Buffer): EngineEvent {
  if (line[0] !== OPEN_BRACE) return { kind: 'nothing' };
  try {
    const error = findError(parseEngineJson(line.toString('utf8')));
    return error === null ? { kind: 'nothing' } : { kind: 'error', error };
  } catch {
    return { kind: 'nothing' };
  }
}

export type WholeAnswer =
  | { readonly kind: 'answer'; readonly completionTokens: number | null }
  | { readonly kind: 'error'; readonly error: EngineError }
  /** @property why for people. */
  | { readonly kind: 'unusable'; readonly why: string };

/** Embeddings are long, and an error never is. */
const MAX_ERROR_BYTES = 64 * 1024;
const ANSWER: WholeAnswer = { kind: 'answer', completionTokens: null };

/** An answer with status 200 that is not a stream. */
export function understandAnswer(body: Buffer, endpoint: Endpoint): WholeAnswer {
  const kind = ENDPOINT_TABLE[endpoint].answer;
  const isJson = looksLikeJson(body);
  if (body.length === 0) return { kind: 'unusable', why: 'the engine answered with nothing' };
  if (!isJson && kind !== 'bytes') return { kind: 'unusable', why: 'the engine did not answer with JSON' };
  if (kind !== 'choices' && (!isJson || body.length > MAX_ERROR_BYTES)) return ANSWER;
  let said: unknown;
  try {
    said = parseEngineJson(body.toString('utf8'));
  } catch {
    return kind === 'bytes' ? ANSWER : { kind: 'unusable', why: 'the engine did not answer with JSON' };
  }
  const error = findError(said);
  if (error !== null) return { kind: 'error', error };
  if (kind !== 'choices') return ANSWER;
  if (!isChunk(said)) return { kind: 'unusable', why: 'the engine answered with something else' };
  return understandCompletion(said);
}

function understandCompletion(said: ChatChunk): WholeAnswer {
  const progress = new AnswerProgress();
  progress.note(said);
  if (progress.choices === 0) return { kind: 'unusable', why: 'the engine answered without a choice' };
  if (!progress.hasEnded) return { kind: 'unusable', why: endingOf(progress) };
  return { kind: 'answer', completionTokens: progress.usage?.completion_tokens ?? null };
}

/** Why an answer is not whole, for people. */
export function endingOf({ badEnd }: AnswerProgress): string {
  return badEnd === null
    ? 'the engine ended its answer without a finish_reason'
    : `the engine ended its answer with finish_reason ${badEnd}`;
}

function looksLikeJson(body: Buffer): boolean {
  const text = body.toString('latin1', 0, 64).trimStart();
  const tail = body.toString('latin1', Math.max(0, body.length - 64)).trimEnd();
  return (text.startsWith('{') && tail.endsWith('}')) || (text.startsWith('[') && tail.endsWith(']'));
}

function isChunk(said: unknown): said is ChatChunk {
  return typeof said === 'object' && said !== null && !Array.isArray(said);
}
