/**
 * Plain calls to an engine that does not notice when their client leaves: such a call is made as a stream, whose end the
 * engine does notice, and its answer is assembled here. It is the answer that the engine would have given without `stream`: for
 * chat completions, and for completions of one prompt. With several, engines number and count their answers each in their own way.
 */
import {
  AnswerProgress,
  type ChatChunk,
  ChoicesBuilder,
  type Endpoint,
  JSON_CONTENT_TYPE,
  parseExactText,
  type SseEvent,
  SseReader,
  understandEvent,
} from '@penstock/protocol';
import type { EngineHandlers } from './engine-handlers.ts';

/** Which plain calls are made as streams: those to engines that are known to need it, all, or none. */
export const PLAIN_CALLS = ['auto', 'always', 'never'] as const;
export type PlainCalls = (typeof PLAIN_CALLS)[number];

/** Whether to make them so. @param owners of the engine's models, by which a kind of engine is known. */
export function streamsPlainCalls(setting: PlainCalls, owners: readonly string[]): boolean {
  // llama.cpp computes a plain answer to its end, some seconds more or less.
  return setting === 'always' || (setting === 'auto' && owners.includes('llamacpp'));
}

type Json = Record<string, unknown>;

/** The request for a stream; null where the call has to be made as it is. */
export function bodyAsStream(endpoint: Endpoint, body: Uint8Array): Buffer | null {
  if (endpoint !== 'chat' && endpoint !== 'completions') return null;
  try {
    const asked = parseExactText(Buffer.from(body).toString('utf8')) as Json;
    if (asked['stream'] === true || (endpoint === 'completions' && !hasOneAnswer(asked))) return null;
    return Buffer.from(JSON.stringify({ ...asked, stream: true, stream_options: { include_usage: true } }));
  } catch {
    return null;
  }
}

/** Whether a completion is asked for once: of one text, or of one list of token ids. */
function hasOneAnswer({ prompt, n, best_of: bestOf }: Json): boolean {
  if ([n, bestOf].some(count => count !== undefined && count !== null && count !== 1)) return false;
  if (!Array.isArray(prompt)) return typeof prompt === 'string';
  return prompt.length === 1 || prompt.every(token => typeof token === 'number');
}

/** Takes the answer as a stream and hands it on in one piece. What is no stream, errors above all, passes as it is. */
export class AssembledAnswer implements EngineHandlers {
  readonly #to: EngineHandlers;
  readonly #progress = new AnswerProgress();
  readonly #choices: AnswerChoices;
  /** What the chunks say beside their choices: the last word of each field counts, as in an answer that is made at the end. */
  readonly #rest: Json = {};
  /** Null while the answer is not known to be a stream. */
  #reader: SseReader | null = null;
  #isOver = false;

  constructor(to: EngineHandlers, endpoint: Endpoint) {
    this.#to = to;
    this.#choices = endpoint === 'completions' ? new TextChoice() : new ChatChoices();
  }

  start(status: number, contentType: string, retryAfterMs: number | null = null): void {
    if (status === 200 && /^text\/event-stream/i.test(contentType)) this.#reader = new SseReader();
    else this.#to.start(status, contentType, retryAfterMs);
  }

  data(bytes: Buffer): void {
    if (this.#reader === null) return this.#to.data(bytes);
    for (const event of this.#reader.push(bytes)) if (!this.#isOver) this.#hear(event);
  }

  end(): void {
    if (this.#reader === null) return this.#to.end();
    const rest = this.#reader.rest();
    if (rest !== null && !this.#isOver) this.#hear(rest);
    this.#finish();
  }

  error(error: Error): void {
    // What is whole stays so, however the connection ends.
    if (this.#progress.hasEnded) this.#finish();
    else if (!this.#isOver) this.#to.error(error);
  }

  #hear(event: SseEvent): void {
    const said = understandEvent(event);
    if (said.kind === 'done') this.#finish();
    else if (said.kind === 'error') this.#answer(event.data === null ? event.raw : Buffer.from(event.data));
    else if (said.kind === 'garbage') this.#break('the engine sent an event that is not JSON');
    else if (said.kind === 'chunk') this.#add(said.chunk);
  }

  #add(chunk: ChatChunk): void {
    try {
      this.#choices.add(chunk);
    } catch {
      return this.#break('the engine sent a chunk with other types than the API has');
    }
    this.#progress.note(chunk);
    const { choices: _choices, object: _object, ...rest } = chunk as Json;
    // Usage is null until it is known.
    for (const [field, value] of Object.entries(rest)) this.#rest[field] = value ?? this.#rest[field] ?? null;
  }

  #finish(): void {
    if (this.#isOver) return;
    // How an answer ended badly is for the reader of whole answers to judge.
    if (!this.#progress.hasEnded && this.#progress.badEnd === null)
      return this.#break('the engine ended its stream too early');
    const { object, choices } = this.#choices;
    this.#answer(Buffer.from(JSON.stringify({ ...this.#rest, object, choices })));
  }

  #answer(body: Buffer): void {
    this.#isOver = true;
    this.#to.start(200, JSON_CONTENT_TYPE, null);
    this.#to.data(body);
    this.#to.end();
  }

  #break(message: string): void {
    this.#isOver = true;
    this.#to.error(new Error(message));
  }
}

interface AnswerChoices {
  /** Kind of the whole answer. */
  readonly object: string;
  readonly choices: readonly object[];
  /** @throws where the chunk's parts have other types than the API's. */
  add(chunk: ChatChunk): void;
}

class ChatChoices implements AnswerChoices {
  readonly object = 'chat.completion';
  readonly #builder = new ChoicesBuilder();

  add(chunk: ChatChunk): void {
    this.#builder.add(chunk);
  }

  get choices(): object[] {
    return this.#builder.choices.map(toPlainChoice);
  }
}

/** Without what the engine did not say. */
function toPlainChoice({ message, logprobs, ...choice }: ChoicesBuilder['choices'][number]): object {
  const { refusal, ...said } = (message ?? {}) as Json;
  const content = logprobs?.content;
  return {
    ...choice,
    message: refusal === null ? said : { ...said, refusal },
    ...(content ? { logprobs: { content } } : {}),
  };
}

/** The one choice of a completion. */
class TextChoice implements AnswerChoices {
  readonly object = 'text_completion';
  readonly #texts: string[] = [];
  #rest: Json = {};

  add({ choices = [] }: ChatChunk): void {
    for (const { text, logprobs, ...rest } of choices as Json[]) {
      if (typeof text !== 'string') throw new TypeError('a completion without text');
      this.#texts.push(text);
      const known = this.#rest['logprobs'] ?? null;
      this.#rest = { ...this.#rest, ...rest, logprobs: joined(known, logprobs ?? null) };
    }
  }

  get choices(): object[] {
    return this.#texts.length === 0 ? [] : [{ ...this.#rest, text: this.#texts.join('') }];
  }
}

/** Each engine has lists of its own in there, one entry a token. */
function joined(known: unknown, more: unknown): unknown {
  if (known === null || more === null) return known ?? more;
  const all: Json = { ...(known as Json) };
  for (const [field, value] of Object.entries(more as Json)) {
    const before = all[field];
    all[field] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
  }
  return all;
}
