/** Translates a request of the Responses API into a chat completion, the only one of the two that engines support. */
import { type ResponsesFields, refuse } from './fields.ts';

export type InputItem = Record<string, unknown>;
export type ChatMessage = Record<string, unknown>;

/** Everything of the chat completion but its messages. */
export function toChatFields(body: ResponsesFields): Record<string, unknown> {
  const format = body.text?.format;
  const all: Record<string, unknown> = {
    model: body.model,
    // In the background the engine always streams, because its output is logged as it arrives.
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

function toChatToolChoice(choice: ResponsesFields['tool_choice']): unknown {
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

/** Consecutive calls belong to one message of the assistant. */
function addCall(messages: ChatMessage[], item: InputItem, at: string): void {
  const { arguments: args } = item;
  const [id, name] = [textIn(item, 'call_id', at), textIn(item, 'name', at)];
  const call = { id, type: 'function', function: { name, arguments: args ?? '' } };
  const last = messages.at(-1);
  const calls = last?.['tool_calls'];
  if (last?.['role'] === 'assistant' && Array.isArray(calls)) calls.push(call);
  else messages.push({ role: 'assistant', content: null, tool_calls: [call] });
}
