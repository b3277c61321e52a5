/** `POST /v1/responses`: the request checked, what is echoed of it in every response, and the chat completion that an engine gets. */
import { checkFields } from '../openai/check-fields.ts';
import { toChatFields } from './chat-fields.ts';
import { type ResponsesFields, refuse, responsesFields } from './fields.ts';
import { type ChatMessage, type InputItem, isItemReference, messagesOf } from './messages.ts';
import { ToolBook } from './tools.ts';

type Json = Record<string, unknown>;

export interface ResponsesRequest {
  readonly model: string;
  readonly background: boolean;
  readonly stream: boolean;
  readonly store: boolean;
  readonly previousId: string | null;
  /** As the client knows it. */
  readonly conversationId: string | null;
  readonly tier: string | null;
  readonly input: readonly InputItem[];
  /** Echoed in every response object. */
  readonly params: Json;
  /** Fields that the response is to hold beside the usual ones, as the client asked (`include`). */
  readonly include: readonly string[];
  /** Types of tools that no engine has: they are left out. */
  readonly omittedTools: readonly string[];
  /** Whether {@link chatOf} has plain values alone; if not, long numbers in it are opaque. */
  readonly isPlain: boolean;
  /** The chat completion for an engine. @param items the whole conversation, the input too. */
  readonly chatOf: (items: readonly InputItem[]) => Json & { readonly messages: readonly ChatMessage[] };
}

/**
 * @param exact the same, whose long numbers survive (see {@link exactJson}): what the engine gets as it is, is taken from it.
 * @throws DispatchError `invalid_request` with the field in `param`.
 */
export function readResponsesRequest(value: unknown, exact: unknown = value): ResponsesRequest {
  const body = checkFields(responsesFields, value);
  const store = body.store ?? true;
  if (body.background && !store)
    refuse(
      '`background` keeps the response until it is fetched: send `store: true`, or leave `background` out.',
      'background',
    );
  const { conversation } = body;
  const conversationId = (typeof conversation === 'object' ? conversation?.id : conversation) ?? null;
  if (conversationId !== null && body.previous_response_id)
    refuse(
      'A conversation holds what was said before: leave `previous_response_id` out.',
      'previous_response_id',
    );
  const input: InputItem[] =
    typeof body.input === 'string'
      ? [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: body.input }] }]
      : body.input;
  const book = new ToolBook((exact as Schemas).tools ?? []);
  const refersToOthers = body.previous_response_id || conversationId !== null || input.some(isItemReference);
  if (messagesOf(input, null, book).length === 0 && !refersToOthers)
    refuse('`input` needs at least one message, function call or function call output.', 'input');
  const fields = toChatFields(withSchema(body, exact as Schemas), exact as Json, book);
  return {
    model: body.model,
    background: body.background ?? false,
    stream: body.stream ?? false,
    store,
    previousId: body.previous_response_id ?? null,
    conversationId,
    tier: body.service_tier ?? null,
    input,
    params: echo(body, store, conversationId),
    include: body.include ?? [],
    omittedTools: book.omitted,
    isPlain: exact === value,
    chatOf: items => ({ ...fields, messages: messagesOf(items, body.instructions ?? null, book) }),
  };
}

/** Checks items that are only kept. @param at field that has them. @throws DispatchError that names the item. */
export function readResponsesItems(items: readonly InputItem[], at: string): void {
  if (items.some(isItemReference))
    refuse('Send the items themselves: a conversation keeps no references.', at);
  messagesOf(items, null, new ToolBook([]), at);
}

interface Schemas {
  readonly tools?: readonly Json[] | null;
  readonly text?: { readonly format?: { readonly schema?: Json } | null } | null;
}

function withSchema(body: ResponsesFields, exact: Schemas): ResponsesFields {
  const format = body.text?.format;
  const schema = exact.text?.format?.schema;
  if (!format || schema === undefined) return body;
  return { ...body, text: { ...body.text, format: { ...format, schema } } };
}

/** Every field that the schema of OpenAI or of Open Responses requires in a response, whether or not the request had it. */
function echo(body: ResponsesFields, store: boolean, conversationId: string | null): Record<string, unknown> {
  return {
    frequency_penalty: body.frequency_penalty ?? 0,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    model: body.model,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    presence_penalty: body.presence_penalty ?? 0,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store,
    temperature: body.temperature ?? 1,
    text: {
      format: body.text?.format ?? { type: 'text' },
      ...(body.text?.verbosity ? { verbosity: body.text.verbosity } : {}),
    },
    tool_choice: body.tool_choice ?? 'auto',
    tools: (body.tools ?? []).map(tool =>
      tool.type === 'function' ? { description: null, parameters: null, strict: null, ...tool } : tool,
    ),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    user: body.user?.toString() ?? null,
    ...(conversationId === null ? {} : { conversation: { id: conversationId } }),
    metadata: body.metadata ?? {},
  };
}
