/**
 * Going on with a stream whose first engine died: the client keeps what it has, the next engine gets the prompt plus
 * the partial answer (`continue_final_message`, vLLM and SGLang) and its chunks are made to look like the old stream's.
 */
import { eventData, parseExactText, type ResumeAnswer, type WorkEnvelope } from '@penstock/protocol';

export interface Continuation {
  /** Request body for the engine. */
  readonly body: Buffer;
  /** Gives events the id and time of the stream they continue, and drops the repeated role chunk. */
  rewrite(events: Buffer): Buffer;
}

type Resume = Extract<ResumeAnswer, { kind: 'continue' }>;
type Json = Record<string, unknown>;

export function createContinuation(work: WorkEnvelope, resume: Resume): Continuation {
  return {
    body: Buffer.from(JSON.stringify(continuedBody(work, resume))),
    rewrite: events => rewriteEvents(events, resume),
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

function rewriteEvents(events: Buffer, resume: Resume): Buffer {
  let out = '';
  for (const data of eventData(events.toString('utf8'))) {
    if (data === '[DONE]') {
      out += 'data: [DONE]\n\n';
      continue;
    }
    const chunk = JSON.parse(data) as Json & {
      usage?: Json | null;
      choices?: { delta?: Json; finish_reason?: unknown }[];
    };
    const delta = chunk.choices?.[0]?.delta;
    if (delta?.['role'] !== undefined) {
      delete delta['role'];
      if (!delta['content'] && !chunk.choices?.[0]?.finish_reason) continue;
    }
    if (chunk.usage) addUsage(chunk.usage, resume.chunks);
    out += `data: ${JSON.stringify({ ...chunk, id: resume.chunkId, created: resume.created })}\n\n`;
  }
  return Buffer.from(out);
}

/** The partial answer counted as prompt on this engine; for the client it is output. */
function addUsage(usage: Json, chunks: number): void {
  const { prompt_tokens: prompt, completion_tokens: completion } = usage;
  if (typeof prompt === 'number') usage['prompt_tokens'] = Math.max(0, prompt - chunks);
  if (typeof completion === 'number') usage['completion_tokens'] = completion + chunks;
}
