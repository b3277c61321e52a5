/**
 * Plain calls that are answered by a stream. Some engines always stream. One that does not notice when the client of a plain call leaves
 * is asked for a stream, whose end it does notice: for a chat completion, or a completion of one prompt (with several, engines number
 * and count their answers each in their own way). The answer that is assembled here is the one that the engine would have given without `stream`.
 */
import {
  AnswerProgress,
  type ChatChunk,
  ChoicesBuilder,
  ENDPOINT_TABLE,
  type Endpoint,
  isEventStream,
  JSON_CONTENT_TYPE,
  MessageBuilder,
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

const NO_BYTES = Buffer.alloc(0);
const TOO_EARLY = 'the engine ended its stream too early';

/** Takes an answer that may be a stream and hands it on in one piece. What is no stream, errors above all, passes as it is. */
export class AssembledAnswer implements EngineHandlers {
  readonly #to: EngineHandlers;
  readonly #progress = new AnswerProgress();
  readonly #choices: AnswerChoices;
  readonly #asked: () => number;
  /** Until the first bytes say whether it is one. */
  #head: Parameters<EngineHandlers['start']> | null = null;
  /** What the chunks say beside their choices: the last word of each field counts, as in an answer that is made at the end. */
  readonly #rest: Json = {};
  /** Null while the answer is not known to be a stream. */
  #reader: SseReader | null = null;
  #isOver = false;

  /** @param asked how many choices the client asked for. */
  constructor(to: EngineHandlers, endpoint: Endpoint, asked: () => number = () => 1) {
    this.#to = to;
    this.#asked = asked;
    this.#choices = choicesOf(endpoint);
  }

  start(status: number, contentType: string, retryAfterMs: number | null = null): void {
    this.#head = [status, contentType, retryAfterMs];
  }

  data(bytes: Buffer): void {
    this.#begin(bytes);
    if (this.#reader === null) return this.#to.data(bytes);
    for (const event of this.#reader.push(bytes)) if (!this.#isOver) this.#hear(event);
  }

  end(): void {
    this.#begin(NO_BYTES);
    if (this.#reader === null) return this.#to.end();
    const rest = this.#reader.rest();
    if (rest !== null && !this.#isOver) this.#hear(rest);
    if (this.#isWhole || this.#progress.badEnd !== null) this.#finish();
    else if (!this.#isOver) this.#break(TOO_EARLY);
  }

  error(error: Error): void {
    // What is whole stays so, however the connection ends.
    if (this.#isWhole) this.#finish();
    else if (!this.#isOver) this.#to.error(error);
  }

  #begin(bytes: Buffer): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    if (head[0] === 200 && isEventStream(head[1], bytes)) this.#reader = new SseReader();
    else this.#to.start(...head);
  }

  /** Of several choices one may end before another begins. */
  get #isWhole(): boolean {
    return this.#progress.hasEnded && this.#progress.choices >= this.#asked();
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
    if (!this.#progress.hasEnded && this.#progress.badEnd === null) return this.#break(TOO_EARLY);
    this.#answer(Buffer.from(JSON.stringify(this.#choices.whole(this.#rest))));
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

/** Where what an engine answers to a plain call goes, whichever of the two it is. @param asked see {@link AssembledAnswer}. */
export function inOnePiece(to: EngineHandlers, endpoint: Endpoint, asked: () => number): EngineHandlers {
  return ENDPOINT_TABLE[endpoint].answer === 'choices' ? new AssembledAnswer(to, endpoint, asked) : to;
}

function choicesOf(endpoint: Endpoint): AnswerChoices {
  if (endpoint === 'messages') return new OneMessage();
  return endpoint === 'completions' ? new TextChoices() : new ChatChoices();
}

interface AnswerChoices {
  /** @param rest what the chunks said beside their choices. */
  whole(rest: Json): object;
  /** @throws where the chunk's parts have other types than the API's. */
  add(chunk: ChatChunk): void;
}

class ChatChoices implements AnswerChoices {
  readonly #builder = new ChoicesBuilder();

  add(chunk: ChatChunk): void {
    this.#builder.add(chunk);
  }

  whole(rest: Json): object {
    return { ...rest, object: 'chat.completion', choices: this.#builder.choices.map(toPlainChoice) };
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

class OneMessage implements AnswerChoices {
  readonly #builder = new MessageBuilder();

  add(event: ChatChunk): void {
    this.#builder.add(event);
  }

  whole(): object {
    return this.#builder.message;
  }
}

class TextChoices implements AnswerChoices {
  readonly #choices = new Map<number, { readonly texts: string[]; rest: Json }>();

  add({ choices = [] }: ChatChunk): void {
    for (const [i, { text, logprobs, ...rest }] of (choices as Json[]).entries()) {
      if (typeof text !== 'string') throw new TypeError('a completion without text');
      const index = Number(rest['index'] ?? i);
      const choice = this.#choices.get(index) ?? { texts: [], rest: { index } };
      this.#choices.set(index, choice);
      choice.texts.push(text);
      const known = choice.rest['logprobs'] ?? null;
      choice.rest = { ...choice.rest, ...rest, logprobs: joined(known, logprobs ?? null) };
    }
  }

  whole(rest: Json): object {
    const choices = [...this.#choices]
      .sort(([one], [other]) => one - other)
      .map(([, { texts, rest }]) => ({ ...rest, text: texts.join('') }));
    return { ...rest, object: 'text_completion', choices };
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
