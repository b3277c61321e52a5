/**
 * `POST /v1/responses/compact`: a shorter conversation for a long one. The model is asked for a summary, as for any answer. What comes back are the
 * messages of users, as OpenAI has it, and those for the system, which are orders and not to be told in short; then the summary,
 * packed in a `compaction` item. Whoever sends these items as input goes on from there.
 */
import { z } from 'zod';
import type { CompletionUsage } from '../engine/chat-chunk.ts';
import { checkFields } from '../openai/check-fields.ts';
import { countTokens, toResponsesUsage } from '../openai/usage.ts';
import { conversationField } from './conversation.ts';
import { refuse, responsesFields } from './fields.ts';
import { toInputItems } from './input-item.ts';
import type { InputItem } from './messages.ts';
import { sealed } from './reasoning.ts';
import { type ResponsesRequest, readResponsesRequest } from './request.ts';

const { model, instructions, previous_response_id, prompt_cache_key, service_tier } = responsesFields.shape;

/** What else a client sends, such as its tools, is of its next request for a response. */
export const compactFields = z.looseObject({
  ...{ model, instructions, previous_response_id },
  input: z
    .union([z.string(), z.array(z.looseObject({}))], { error: 'expected a string or an array of items' })
    .nullish(),
  ...{ conversation: conversationField, prompt_cache_key, service_tier },
});

/** Fields of a request for a response that mean the same here. */
const KEPT = [
  ...['model', 'instructions', 'previous_response_id', 'conversation', 'prompt_cache_key', 'service_tier'],
  ...['reasoning', 'user', 'safety_identifier', 'chat_template_kwargs'],
];

const ASK = `Stop here and summarise this conversation for whoever goes on with it and will see nothing else of what you said and did. Write down: \
what the user wants, with all wishes and limits; what has been done, and what came of it; facts, names, numbers, paths and decisions that are needed \
further on; what is still open, and what was to be done next. Leave out greetings and what turned out not to matter. Answer with the summary alone.`;

/**
 * The request for a summary: its last item of input asks for it.
 * @throws DispatchError `invalid_request` that names the field.
 */
export function readCompactRequest(value: unknown, exact: unknown = value): ResponsesRequest {
  const given: Record<string, unknown> & z.infer<typeof compactFields> = checkFields(compactFields, value);
  const { input: asked, tools } = given;
  const items = typeof asked === 'string' ? [said(asked)] : (asked ?? []);
  if (items.length === 0 && !given['previous_response_id'] && !given['conversation'])
    refuse('Send what is to be compacted: `input`, `previous_response_id` or `conversation`.', 'input');
  const exactTools = (exact as { tools?: unknown } | null)?.tools ?? tools;
  const request = (own: unknown) => ({
    ...Object.fromEntries(KEPT.flatMap(name => (given[name] === undefined ? [] : [[name, given[name]]]))),
    ...{ input: [...items, said(ASK)], store: false },
    // Calls in the conversation are of them. They stand first in a prompt, where the engine's cache has them.
    ...(Array.isArray(own) && own.length > 0 ? { tools: own, tool_choice: 'none' } : {}),
  });
  return readResponsesRequest(request(tools), request(exactTools));
}

function said(text: string): InputItem {
  return { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
}

/** What is kept word for word. @param items the whole conversation and, last, what asks for the summary. */
export function keptItems(items: readonly InputItem[]): InputItem[] {
  return items
    .slice(0, -1)
    .filter(
      ({ type = 'message', role }) => type === 'message' && typeof role === 'string' && role !== 'assistant',
    );
}

export interface Compaction {
  /** Of the request. */
  readonly id: string;
  /** Unix ms. */
  readonly createdAt: number;
  readonly kept: readonly InputItem[];
  readonly summary: string;
  readonly usage: CompletionUsage | null | undefined;
}

/** The answer. */
export function compactionObject({ id, createdAt, kept, summary, usage }: Compaction): object {
  const compaction = { id: `cmp_${id}`, type: 'compaction', encrypted_content: sealed(summary) };
  const { input_tokens_details: details, ...counts } = toResponsesUsage(countTokens(usage));
  return {
    id: `resp_${id}`,
    object: 'response.compaction',
    created_at: Math.floor(createdAt / 1000),
    output: [...toInputItems(kept, `msg_${id}`), compaction],
    usage: { ...counts, input_tokens_details: { ...details, cache_write_tokens: 0 } },
  };
}
