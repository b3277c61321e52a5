/** Translates the fields of a request of the Responses API into those of a chat completion, the only one of the two that engines support. */
import { type ResponsesFields, responsesFields } from './fields.ts';
import { type ToolBook, toolFields } from './tools.ts';

type Json = Record<string, unknown>;

/**
 * Not for the engine: of this API alone, or of its bookkeeping. `n`, because a response has one answer; `messages` and `functions`, because they
 * would stand beside those that are made here.
 */
const OWN_FIELDS: readonly string[] = [
  ...Object.keys(responsesFields.shape),
  ...[
    'client_metadata',
    'context_management',
    'moderation',
    'prompt_cache_options',
    'prompt_cache_retention',
  ],
  ...['stream_options', 'messages', 'n', 'functions', 'function_call', 'continue_final_message'],
  ...['add_generation_prompt'],
];

/**
 * Everything of the chat completion but its messages.
 * @param given the body as the client sent it: what is unknown here goes to the engine, as in chat.
 */
export function toChatFields(body: ResponsesFields, given: Json, book: ToolBook): Json {
  const format = body.text?.format;
  const isStreamed = body.stream || body.background;
  const wantsLogprobs = body.include?.includes('message.output_text.logprobs') || body.top_logprobs;
  const offered = toolFields(book, body.tool_choice ?? null);
  const all: Json = {
    ...Object.fromEntries(Object.entries(given).filter(([name]) => !OWN_FIELDS.includes(name))),
    model: body.model,
    // In the background the engine always streams, because its output is logged as it arrives.
    stream: isStreamed ? true : undefined,
    stream_options: isStreamed ? { include_usage: true } : undefined,
    ...(body.max_output_tokens ? { max_completion_tokens: body.max_output_tokens } : {}),
    temperature: body.temperature ?? undefined,
    top_p: body.top_p ?? undefined,
    presence_penalty: body.presence_penalty ?? undefined,
    frequency_penalty: body.frequency_penalty ?? undefined,
    ...offered,
    parallel_tool_calls: offered.tools === undefined ? undefined : (body.parallel_tool_calls ?? undefined),
    ...(format && format.type !== 'text' ? { response_format: toResponseFormat(format) } : {}),
    ...(body.text?.verbosity ? { verbosity: body.text.verbosity } : {}),
    ...(body.reasoning?.effort ? { reasoning_effort: body.reasoning.effort } : {}),
    ...(wantsLogprobs ? { logprobs: true } : {}),
    top_logprobs: body.top_logprobs ?? undefined,
    prompt_cache_key: body.prompt_cache_key ?? undefined,
    user: body.user ?? undefined,
    safety_identifier: body.safety_identifier ?? undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null));
}

function toResponseFormat(format: Json): object {
  const { type, name, schema, strict, description } = format;
  return type === 'json_schema' ? { type, json_schema: { name, schema, strict, description } } : { type };
}
