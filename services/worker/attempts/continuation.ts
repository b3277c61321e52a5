/**
 * Going on with a stream whose first engine died: the client keeps what it has, the next engine gets the prompt plus
 * the partial answer (`continue_final_message`, vLLM and SGLang) and its chunks are made to look like the old stream's. An engine
 * that cannot do that gets the prompt alone, and has to say first what the client has.
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
type Json = Record<string, unknown>;

/** @param goesOn whether the engine continues what was begun elsewhere; else it begins again. */
export function createContinuation(endpoint: Endpoint, resume: Resume, goesOn: boolean): Continuation {
  const stream = new ContinuedStream(resume, goesOn);
  return {
    bodyFrom: body => (goesOn ? Buffer.from(JSON.stringify(continuedBody(endpoint, body, resume))) : body),
    rewrite: events => stream.rewrite(events),
  };
}

function continuedBody(endpoint: Endpoint, asked: Buffer, resume: Resume): Json {
  const body = parseExactText(asked.toString('utf8')) as Json;
  // One content chunk is one token on the engines we know; a limit already reached still needs one step to stop.
  for (const field of ['max_tokens', 'max_completion_tokens']) {
    const limit = body[field];
    // -1 is no limit.
    if (typeof limit === 'number' && limit >= 0) body[field] = Math.max(1, limit - resume.chunks);
  }
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

  constructor(resume: Resume, goesOn: boolean) {
    this.#resume = resume;
    this.#goesOn = goesOn;
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
    return choice === undefined ? this.#write(chunk) : this.#keepNew(chunk, choice);
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
    const { chunkId: id, created, chunks } = this.#resume;
    if (chunk.usage && this.#goesOn) addUsage(chunk.usage, chunks);
    return `data: ${JSON.stringify({ ...chunk, id, created })}\n\n`;
  }
}

/** The partial answer counted as prompt on this engine; for the client it is output. */
function addUsage(usage: Json, chunks: number): void {
  const { prompt_tokens: prompt, completion_tokens: completion } = usage;
  if (typeof prompt === 'number') usage['prompt_tokens'] = Math.max(0, prompt - chunks);
  if (typeof completion === 'number') usage['completion_tokens'] = completion + chunks;
}
