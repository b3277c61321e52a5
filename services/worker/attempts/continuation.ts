/**
 * Going on with a stream whose first engine died: the client keeps what it has, the next engine gets the prompt plus
 * the partial answer (`continue_final_message`, vLLM and SGLang) and its chunks are made to look like the old stream's. An engine
 * that cannot do that gets the prompt alone, and has to say first what the client has.
 *
 * For the client the partial answer is output, of which the engine that goes on knows only as part of its prompt. So its tokens are
 * moved from there in `usage`, and taken off the limits.
 */
import { type Endpoint, eventData, parseExactText, type ResumeAnswer } from '@penstock/protocol';
import { GO_ON } from './continuing.ts';
import { Repetition } from './repetition.ts';

export interface Continuation {
  /** The request for the engine, made from the client's. */
  bodyFrom(body: Buffer): Buffer;
  /**
   * Gives events the id and time of the stream they continue, and drops the repeated role chunk, and what an engine that began
   * again says once more. @throws Contradiction where it says something else.
   */
  rewrite(events: Buffer): Buffer;
}

type Resume = Extract<ResumeAnswer, { kind: 'continue' }>;
/** What the partial answer has in tokens: as its engine said, as another counted, else one a chunk. */
const tokensOf = ({ tokens, chunks }: Resume) => tokens ?? chunks;
type Json = Record<string, unknown>;

/** @param goesOn whether the engine continues what was begun elsewhere; else it begins again. */
export function createContinuation(endpoint: Endpoint, resume: Resume, goesOn: boolean): Continuation {
  const stream = new ContinuedStream(resume, goesOn);
  return {
    bodyFrom: asked => {
      if (!goesOn) return asked;
      const body = parseExactText(asked.toString('utf8')) as Json;
      if (leftOf(body, resume) <= 0) stream.isSpent = true;
      return Buffer.from(JSON.stringify(continuedBody(endpoint, body, resume)));
    },
    rewrite: events => stream.rewrite(events),
  };
}

const LIMITS = ['max_tokens', 'max_completion_tokens'] as const;
/** -1 is none. */
const isLimit = (limit: unknown): limit is number => typeof limit === 'number' && limit >= 0;

/** Tokens that the answer may still have. */
function leftOf(body: Json, resume: Resume): number {
  const limits = LIMITS.map(field => body[field]).filter(isLimit);
  return Math.min(...limits) - tokensOf(resume);
}

function continuedBody(endpoint: Endpoint, asked: Json, resume: Resume): Json {
  const body = { ...asked };
  for (const field of LIMITS) {
    const limit = body[field];
    // Engines take no limit of 0.
    if (isLimit(limit)) body[field] = resume.finish === null ? Math.max(1, limit - tokensOf(resume)) : 1;
  }
  const least = body['min_tokens'];
  if (typeof least === 'number')
    body['min_tokens'] = resume.finish === null ? Math.max(0, least - tokensOf(resume)) : 0;
  if (resume.finish !== null) body['max_tokens'] = 1;
  if (resume.text === '') return body;
  if (endpoint === 'completions') return { ...body, prompt: `${String(body['prompt'])}${resume.text}` };
  const messages = body['messages'] as unknown[];
  return {
    ...body,
    messages: [...messages, { role: 'assistant', content: resume.text }],
    ...GO_ON,
  };
}

type Choice = { delta?: Json; text?: unknown; finish_reason?: unknown };
type Chunk = Json & { usage?: Json | null; choices?: Choice[] };

class ContinuedStream {
  readonly #resume: Resume;
  readonly #goesOn: boolean;
  readonly #repetition: Repetition;
  /** Nothing may be added to the answer: it has all its tokens, and maybe its end. The engine is asked for one more, which is left out. */
  isSpent: boolean;

  constructor(resume: Resume, goesOn: boolean) {
    this.#resume = resume;
    this.#goesOn = goesOn;
    this.isSpent = resume.finish !== null;
    this.#repetition = new Repetition(goesOn ? '' : resume.text);
  }

  /** @throws Contradiction */
  rewrite(events: Buffer): Buffer {
    let out = '';
    for (const data of eventData(events.toString('utf8')))
      out += data === '[DONE]' ? 'data: [DONE]\n\n' : this.#rewriteChunk(JSON.parse(data) as Chunk);
    return Buffer.from(out);
  }

  #rewriteChunk(chunk: Chunk): string {
    const choice = chunk.choices?.[0];
    const delta = choice?.delta;
    if (delta?.['role'] !== undefined) {
      delete delta['role'];
      if (!delta['content'] && !choice?.finish_reason) return '';
    }
    if (choice === undefined) return this.#write(chunk);
    return this.isSpent ? this.#keepEnd(chunk, choice) : this.#keepNew(chunk, choice);
  }

  #keepEnd(chunk: Chunk, choice: Choice): string {
    if (!choice.finish_reason || this.#resume.finish !== null)
      return chunk.usage ? this.#write({ ...chunk, choices: [] }) : '';
    const said = choice.delta === undefined ? { text: '' } : { delta: {} };
    return this.#write({ ...chunk, choices: [{ ...choice, ...said, finish_reason: 'length' }] });
  }

  #keepNew(chunk: Chunk, choice: Choice): string {
    const said = choice.delta === undefined ? choice.text : choice.delta['content'];
    const verdict = this.#repetition.take(typeof said === 'string' ? said : '');
    const isEnd = Boolean(choice.finish_reason);
    if (isEnd) this.#repetition.end();
    if (verdict.kind === 'hold') return '';
    if (verdict.kind === 'all') return this.#write(chunk);
    if (choice.delta === undefined) choice.text = verdict.text;
    else choice.delta['content'] = verdict.text;
    return verdict.text === '' && !isEnd ? '' : this.#write(chunk);
  }

  #write(chunk: Chunk): string {
    const { chunkId: id, created } = this.#resume;
    if (chunk.usage && this.#goesOn) this.#moveUsage(chunk.usage);
    return `data: ${JSON.stringify({ ...chunk, id, created })}\n\n`;
  }

  /** The partial answer counted as prompt on this engine; for the client it is output. */
  #moveUsage(usage: Json): void {
    const { prompt_tokens: read, completion_tokens: said, prompt_tokens_details: details } = usage;
    const shown = tokensOf(this.#resume);
    const prompt = this.#resume.promptTokens ?? (typeof read === 'number' ? Math.max(0, read - shown) : null);
    const completion = typeof said === 'number' ? shown + (this.isSpent ? 0 : said) : null;
    if (prompt !== null) usage['prompt_tokens'] = prompt;
    if (completion !== null) usage['completion_tokens'] = completion;
    if (typeof usage['total_tokens'] === 'number' && prompt !== null && completion !== null)
      usage['total_tokens'] = prompt + completion;
    const { cached_tokens: cached } = (details ?? {}) as Json;
    if (typeof cached === 'number' && prompt !== null)
      usage['prompt_tokens_details'] = { ...(details as Json), cached_tokens: Math.min(cached, prompt) };
  }
}
