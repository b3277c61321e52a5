/**
 * Going on with a stream whose first engine died: the client keeps what it has, the next engine gets the prompt plus
 * the partial answer (`continue_final_message`, vLLM and SGLang) and its chunks are made to look like the old stream's.
 */
import { eventData, parseExactText, type ResumeAnswer, type WorkEnvelope } from '@penstock/protocol';
import { Repetition } from './repetition.ts';

export interface Continuation {
  /** Request body for the engine. */
  readonly body: Buffer;
  /**
   * Gives events the id and time of the stream they continue, and drops the repeated role chunk, and what an engine says again.
   * @throws Contradiction where the engine began again and said something else.
   */
  rewrite(events: Buffer): Buffer;
}

type Resume = Extract<ResumeAnswer, { kind: 'continue' }>;
type Json = Record<string, unknown>;

export function createContinuation(work: WorkEnvelope, resume: Resume): Continuation {
  const repetition = new Repetition(resume.text);
  return {
    body: Buffer.from(JSON.stringify(continuedBody(work, resume))),
    rewrite: events => rewriteEvents(events, resume, repetition),
  };
}

function continuedBody(work: WorkEnvelope, resume: Resume): Json {
  const body = parseExactText(work.body.toString('utf8')) as Json;
  // One content chunk is one token on the engines we know; a limit already reached still needs one step to stop.
  for (const field of ['max_tokens', 'max_completion_tokens']) {
    const limit = body[field];
    if (typeof limit === 'number') body[field] = Math.max(1, limit - resume.chunks);
  }
  if (resume.text === '') return body;
  if (work.meta.endpoint === 'completions')
    return { ...body, prompt: `${String(body['prompt'])}${resume.text}` };
  const messages = body['messages'] as unknown[];
  return {
    ...body,
    messages: [...messages, { role: 'assistant', content: resume.text }],
    add_generation_prompt: false,
    continue_final_message: true,
  };
}

function rewriteEvents(events: Buffer, resume: Resume, repetition: Repetition): Buffer {
  let out = '';
  for (const data of eventData(events.toString('utf8'))) {
    if (data === '[DONE]') {
      out += 'data: [DONE]\n\n';
      continue;
    }
    const chunk = JSON.parse(data) as Json & {
      usage?: Json | null;
      choices?: { delta?: Json; text?: unknown; finish_reason?: unknown }[];
    };
    const delta = chunk.choices?.[0]?.delta;
    if (delta?.['role'] !== undefined) {
      delete delta['role'];
      if (!delta['content'] && !chunk.choices?.[0]?.finish_reason) continue;
    }
    if (!keepNew(chunk.choices?.[0], repetition)) continue;
    if (chunk.usage && !repetition.isRepeated) addUsage(chunk.usage, resume.chunks);
    out += `data: ${JSON.stringify({ ...chunk, id: resume.chunkId, created: resume.created })}\n\n`;
  }
  return Buffer.from(out);
}

type Choice = { delta?: Json; text?: unknown; finish_reason?: unknown };

/** Leaves what is new in the choice. @returns false where nothing is left. */
function keepNew(choice: Choice | undefined, repetition: Repetition): boolean {
  if (choice === undefined) return true;
  const { delta } = choice;
  const said = delta === undefined ? choice.text : delta['content'];
  const isEnd = Boolean(choice.finish_reason);
  if (typeof said !== 'string' && !isEnd) return true;
  const given = typeof said === 'string' ? said : '';
  const text = repetition.take(given) + (isEnd ? repetition.end() : '');
  if (text === given) return true;
  if (delta === undefined) choice.text = text;
  else delta['content'] = text;
  return text !== '' || isEnd;
}

/** The partial answer counted as prompt on this engine; for the client it is output. */
function addUsage(usage: Json, chunks: number): void {
  const { prompt_tokens: prompt, completion_tokens: completion } = usage;
  if (typeof prompt === 'number') usage['prompt_tokens'] = Math.max(0, prompt - chunks);
  if (typeof completion === 'number') usage['completion_tokens'] = completion + chunks;
}
