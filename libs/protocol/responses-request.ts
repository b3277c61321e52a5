/**
 * What OpenAI's Responses API asks for, and the same as a chat completion: engines only speak the latter. Fields that an
 * engine's chat API cannot carry are refused where they would change the answer, and echoed where they would not.
 */
import { z } from 'zod';
import { DispatchError } from './errors.ts';
import { metadataField, SERVICE_TIERS, type ServiceTier } from './openai.ts';

const MAX_ITEMS = 2048;
const notServed = (error: string) => z.null({ error }).optional();
const count = (max: number) => z.int().min(1).max(max).nullish();

export const responsesFields = z.looseObject({
  model: z.string().min(1).max(256),
  input: z.union([z.string(), z.array(z.looseObject({})).min(1).max(MAX_ITEMS)], {
    error: `expected a string or an array of 1 to ${MAX_ITEMS} items`,
  }),
  instructions: z.string().nullish(),
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  store: z.boolean().nullish(),
  previous_response_id: z.string().max(64).nullish(),
  max_output_tokens: count(10_000_000),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  max_tool_calls: count(1_000_000),
  tools: z
    .array(z.looseObject({ type: z.string() }))
    .max(256)
    .nullish(),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }).nullish() }).nullish(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
  metadata: metadataField,
  service_tier: z.enum(SERVICE_TIERS).nullish(),
  prompt_cache_key: z.string().max(512).nullish(),
  safety_identifier: z.string().max(64).nullish(),
  user: z.string().max(512).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  conversation: notServed('conversations are not kept here; go on with previous_response_id'),
  prompt: notServed('stored prompts are not kept here; put the text into instructions and input'),
});
type Fields = z.infer<typeof responsesFields>;
export type InputItem = Record<string, unknown>;
export type ChatMessage = Record<string, unknown>;

export interface ResponsesRequest {
  readonly model: string;
  readonly background: boolean;
  readonly stream: boolean;
  readonly store: boolean;
  readonly previousId: string | null;
  readonly tier: ServiceTier | null;
  readonly input: readonly InputItem[];
  /** Echoed in every response object. */
  readonly params: Record<string, unknown>;
  /** The chat completion, without the messages of earlier responses. */
  readonly chat: Record<string, unknown> & { readonly messages: readonly ChatMessage[] };
}

/** @throws DispatchError `invalid_request` with the field in `param`. */
export function readResponsesRequest(value: unknown): ResponsesRequest {
  const checked = responsesFields.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const param = (issue?.path ?? []).map(String).join('.');
    refuse(param === '' ? 'The body must be an object.' : `${param}: ${issue?.message}`, param || undefined);
  }
  const body = checked.data as Fields;
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
    chat: { ...chatFields(body), messages },
  };
}

function refuse(message: string, param?: string): never {
  throw new DispatchError('invalid_request', param === undefined ? { message } : { message, param });
}

/** Every field that OpenAI's schema or Open Responses' wants in a response, whether or not the request had it. */
function echo(body: Fields, store: boolean): Record<string, unknown> {
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
    // Log probabilities are not carried.
    top_logprobs: 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}

function chatFields(body: Fields): Record<string, unknown> {
  const format = body.text?.format;
  const all: Record<string, unknown> = {
    model: body.model,
    // In the background the engine streams in any case: what it says is logged while it says it.
    stream: body.stream || body.background ? true : undefined,
    stream_options: body.stream || body.background ? { include_usage: true } : undefined,
    max_completion_tokens: body.max_output_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
    top_p: body.top_p ?? undefined,
    presence_penalty: body.presence_penalty ?? undefined,
    frequency_penalty: body.frequency_penalty ?? undefined,
    tools: body.tools?.length ? body.tools.map(toChatTool) : undefined,
    tool_choice: toChatToolChoice(body.tool_choice),
    parallel_tool_calls: body.parallel_tool_calls ?? undefined,
    response_format: format && format.type !== 'text' ? toResponseFormat(format) : undefined,
    reasoning_effort: body.reasoning?.effort ?? undefined,
    prompt_cache_key: body.prompt_cache_key ?? undefined,
    user: body.user ?? undefined,
    safety_identifier: body.safety_identifier ?? undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function toChatTool(tool: Record<string, unknown>, index: number): object {
  if (tool['type'] !== 'function')
    refuse('Only tools of type "function" can be used with this engine.', `tools[${index}].type`);
  const { description, parameters, strict } = tool;
  const name = textIn(tool, 'name', `tools[${index}]`);
  return { type: 'function', function: { name, description, parameters, strict } };
}

function toChatToolChoice(choice: Fields['tool_choice']): unknown {
  if (choice === null || choice === undefined || typeof choice === 'string') return choice ?? undefined;
  if (choice.type !== 'function') refuse('Only a function can be chosen.', 'tool_choice.type');
  return { type: 'function', function: { name: textIn(choice, 'name', 'tool_choice') } };
}

function toResponseFormat(format: Record<string, unknown>): object {
  const { type, name, schema, strict, description } = format;
  return type === 'json_schema' ? { type, json_schema: { name, schema, strict, description } } : { type };
}

function textIn(from: Record<string, unknown>, field: string, at: string): string {
  const text = from[field];
  if (typeof text === 'string' && text !== '') return text;
  return refuse('Expected a string that is not empty.', `${at}.${field}`);
}

/** Input items as chat messages. @throws DispatchError that names the item. */
export function messagesOf(items: readonly InputItem[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const [i, item] of items.entries()) {
    const type = item['type'] ?? (item['role'] === undefined ? undefined : 'message');
    if (type === 'message') messages.push(toMessage(item, `input[${i}]`));
    else if (type === 'function_call') addCall(messages, item, `input[${i}]`);
    else if (type === 'function_call_output') {
      const { output } = item;
      const call_id = textIn(item, 'call_id', `input[${i}]`);
      const content = typeof output === 'string' ? output : JSON.stringify(output ?? '');
      messages.push({ role: 'tool', tool_call_id: call_id, content });
    } else if (type !== 'reasoning') refuse('This type of input item is not supported.', `input[${i}].type`);
  }
  return messages;
}

const ROLES: Readonly<Record<string, string>> = {
  user: 'user',
  assistant: 'assistant',
  system: 'system',
  developer: 'system',
};

function toMessage(item: InputItem, at: string): ChatMessage {
  const given = String(item['role']);
  const role = Object.hasOwn(ROLES, given) ? ROLES[given] : undefined;
  if (role === undefined) refuse('Use user, assistant, system or developer.', `${at}.role`);
  const { content } = item;
  if (typeof content === 'string') return { role, content };
  if (!Array.isArray(content)) refuse('Expected a string or an array of parts.', `${at}.content`);
  const parts = content.map((part, i) => toPart(part as Record<string, unknown>, `${at}.content[${i}]`));
  const texts = parts.flatMap(part => (part.type === 'text' ? [part.text] : []));
  return { role, content: texts.length === parts.length ? texts.join('') : parts };
}

type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string; detail: string } };

function toPart(part: Record<string, unknown> | null, at: string): ChatPart {
  const { type, text, refusal, image_url: url, detail } = part ?? {};
  if (type === 'refusal' && typeof refusal === 'string') return { type: 'text', text: refusal };
  if (type === 'input_image' && typeof url === 'string')
    return { type: 'image_url', image_url: { url, detail: typeof detail === 'string' ? detail : 'auto' } };
  if ((type === 'input_text' || type === 'output_text' || type === 'text') && typeof text === 'string')
    return { type: 'text', text };
  return refuse('Use input_text, output_text or input_image with their fields.', at);
}

/** Calls that follow one another belong to one message of the assistant. */
function addCall(messages: ChatMessage[], item: InputItem, at: string): void {
  const { arguments: args } = item;
  const [id, name] = [textIn(item, 'call_id', at), textIn(item, 'name', at)];
  const call = { id, type: 'function', function: { name, arguments: args ?? '' } };
  const last = messages.at(-1);
  const calls = last?.['tool_calls'];
  if (last?.['role'] === 'assistant' && Array.isArray(calls)) calls.push(call);
  else messages.push({ role: 'assistant', content: null, tool_calls: [call] });
}
