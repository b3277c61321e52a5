/** `POST /v1/responses`: the request checked, what is echoed of it in every response, and the chat completion that an engine gets. */
import { type ResponsesFields, refuse, responsesFields } from './fields.ts';
import { type ChatMessage, type InputItem, messagesOf, toChatFields } from './to-chat.ts';

export interface ResponsesRequest {
  readonly model: string;
  readonly background: boolean;
  readonly stream: boolean;
  readonly store: boolean;
  readonly previousId: string | null;
  readonly tier: string | null;
  readonly input: readonly InputItem[];
  /** Echoed in every response object. */
  readonly params: Record<string, unknown>;
  /** The chat completion, without the messages of earlier responses. */
  readonly chat: Record<string, unknown> & { readonly messages: readonly ChatMessage[] };
}

/**
 * @param exact the same, whose long numbers survive (see {@link exactJson}): the schemas for the engine are taken from it.
 * @throws DispatchError `invalid_request` with the field in `param`.
 */
export function readResponsesRequest(value: unknown, exact: unknown = value): ResponsesRequest {
  const checked = responsesFields.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const param = (issue?.path ?? []).map(String).join('.');
    refuse(param === '' ? 'The body must be an object.' : `${param}: ${issue?.message}`, param || undefined);
  }
  const body = checked.data;
  const store = body.store ?? true;
  if (body.background && !store) refuse('background can only be used when `store` is true', 'background');
  const input: InputItem[] =
    typeof body.input === 'string'
      ? [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: body.input }] }]
      : body.input;
  const own = messagesOf(input);
  if (own.length === 0 && !body.previous_response_id)
    refuse('Put a message, a function call or its output into the input.', 'input');
  const messages = body.instructions ? [{ role: 'system', content: body.instructions }, ...own] : own;
  return {
    model: body.model,
    background: body.background ?? false,
    stream: body.stream ?? false,
    store,
    previousId: body.previous_response_id ?? null,
    tier: body.service_tier ?? null,
    input,
    params: echo(body, store),
    chat: { ...toChatFields(withSchemas(body, exact as Schemas)), messages },
  };
}

interface Schemas {
  readonly tools?: readonly { readonly parameters?: Record<string, unknown> | null }[] | null;
  readonly text?: { readonly format?: { readonly schema?: Record<string, unknown> } | null } | null;
}

function withSchemas(body: ResponsesFields, exact: Schemas): ResponsesFields {
  const tools = body.tools?.map((tool, i) => {
    const parameters = exact.tools?.[i]?.parameters;
    return parameters === undefined ? tool : { ...tool, parameters };
  });
  const format = body.text?.format;
  const schema = exact.text?.format?.schema;
  const text = format && schema !== undefined ? { ...body.text, format: { ...format, schema } } : body.text;
  return {
    ...body,
    ...(tools === undefined ? {} : { tools }),
    ...(text === undefined ? {} : { text }),
  } as ResponsesFields;
}

/** Every field that the schema of OpenAI or of Open Responses requires in a response, whether or not the request had it. */
function echo(body: ResponsesFields, store: boolean): Record<string, unknown> {
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
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: (body.tools ?? []).map(tool => ({ description: null, parameters: null, strict: null, ...tool })),
    // Log probabilities are not supported.
    top_logprobs: 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}
