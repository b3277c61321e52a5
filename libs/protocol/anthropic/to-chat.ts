/** Translates a request of Anthropic's Messages API into a chat completion, which every engine supports. */
import { checkFields, invalidField, invalidValue } from '../openai/check-fields.ts';
import {
  type Block,
  countTokensFields,
  type MessagesFields,
  type MessagesPrompt,
  messagesFields,
} from './fields.ts';

type Json = Record<string, unknown>;

/** Claude Code begins its system prompt with a line that differs in every request: no prefix cache would find the rest. */
const CHANGING_LINE = /^x-anthropic-billing-header:/;
/** Fields of engines that are passed on as they are. */
const ENGINE_FIELDS = ['chat_template_kwargs', 'min_p', 'seed', 'repetition_penalty', 'prompt_cache_key'];
/** Longest end user that a chat completion may name. */
const MAX_USER = 512;

/** A request that was understood. */
export interface MessagesRequest {
  /** The chat completion to ask for. */
  readonly chat: Json;
  readonly stopSequences: readonly string[];
}

/**
 * @param parsed the body. @param exact the same with its long numbers intact.
 * @throws DispatchError `invalid_request` that names the field.
 */
export function readMessagesRequest(parsed: unknown, exact: unknown): MessagesRequest {
  checkFields(messagesFields, parsed);
  const body = exact as MessagesFields;
  const { stop_sequences: stops, tool_choice: choice } = body;
  const chat: Json = {
    ...promptOf(body),
    max_tokens: body.max_tokens,
    stream: body.stream ? true : undefined,
    stream_options: body.stream ? { include_usage: true } : undefined,
    temperature: body.temperature ?? undefined,
    top_p: body.top_p ?? undefined,
    top_k: body.top_k ?? undefined,
    stop: stops?.length ? stops : undefined,
    parallel_tool_calls: choice?.['disable_parallel_tool_use'] === true ? false : undefined,
    user: body.metadata?.user_id?.slice(0, MAX_USER),
    ...outputOf(body),
  };
  for (const field of ENGINE_FIELDS) chat[field] ??= (body as Json)[field] ?? undefined;
  return { chat: defined(chat), stopSequences: stops ?? [] };
}

/** As {@link readMessagesRequest}, of a request to count the tokens of: model, messages and tools. */
export function readCountRequest(parsed: unknown, exact: unknown): Json {
  checkFields(countTokensFields, parsed);
  return defined(promptOf(exact as MessagesPrompt));
}

function promptOf(body: MessagesPrompt): Json {
  const system = textOfSystem(body.system);
  const lead = system === '' ? [] : [{ role: 'system', content: system }];
  const messages = body.messages.flatMap((message, i) => toMessages(message, `messages[${i}]`));
  const tools = (body.tools ?? []).flatMap(toTool);
  return {
    model: body.model,
    messages: [...lead, ...messages],
    tools: tools.length > 0 ? tools : undefined,
    tool_choice: tools.length > 0 ? toToolChoice(body.tool_choice) : undefined,
    chat_template_kwargs: thinkingOf(body),
    ...prefillOf(messages.at(-1)),
  };
}

/** A last message of the assistant is the beginning of the answer. */
function prefillOf(last: Json | undefined): Json {
  const begins = last?.['role'] === 'assistant' && last['tool_calls'] === undefined;
  return begins ? { add_generation_prompt: false, continue_final_message: true } : {};
}

/** As templates of reasoning models take it; where the client says nothing, the model's own default holds. */
function thinkingOf({ thinking, ...body }: MessagesPrompt): Json | undefined {
  const given = body['chat_template_kwargs'] as Json | undefined;
  if (thinking === null || thinking === undefined) return given;
  return { enable_thinking: thinking.type !== 'disabled', ...given };
}

/** What the answer is to be like: how much effort, and which JSON. */
function outputOf(body: MessagesFields): Json {
  const config = (body['output_config'] ?? {}) as { effort?: unknown; format?: unknown };
  const { effort } = config;
  const format = (config.format ?? body['output_format']) as { type?: unknown; schema?: unknown } | undefined;
  const isSchema = format?.type === 'json_schema';
  return {
    reasoning_effort:
      typeof effort === 'string' ? (effort === 'low' || effort === 'medium' ? effort : 'high') : undefined,
    response_format: isSchema
      ? { type: 'json_schema', json_schema: { name: 'output', schema: format.schema, strict: true } }
      : undefined,
  };
}

function textOfSystem(system: MessagesPrompt['system']): string {
  if (typeof system === 'string') return system;
  const texts = (system ?? []).map(({ text }) => (typeof text === 'string' ? text : ''));
  return texts.filter(text => text !== '' && !CHANGING_LINE.test(text)).join('\n');
}

/** Tools that Anthropic's servers run have no schema, and there is nobody here who would run them. */
function toTool(tool: Json): Json[] {
  const { name, description, input_schema: parameters, strict } = tool;
  if (typeof parameters !== 'object' || parameters === null) return [];
  return [{ type: 'function', function: defined({ name, description, parameters, strict }) }];
}

function toToolChoice(choice: MessagesPrompt['tool_choice']): unknown {
  switch (choice?.type) {
    case 'any':
      return 'required';
    case 'tool':
      return { type: 'function', function: { name: choice['name'] } };
    default:
      return choice?.type;
  }
}

function toMessages({ role, content }: { role: string; content: string | Block[] }, at: string): Json[] {
  if (role !== 'user' && role !== 'assistant' && role !== 'system')
    throw invalidValue(`${at}.role`, 'expected user or assistant');
  if (typeof content === 'string') return [{ role, content }];
  return role === 'assistant' ? [toAssistant(content, at)] : toUser(role, content, at);
}

function toAssistant(content: readonly Block[], at: string): Json {
  const texts: string[] = [];
  const reasoning: string[] = [];
  const calls: Json[] = [];
  for (const [i, block] of content.entries()) {
    const { type, id, name, input } = block;
    if (type === 'text') texts.push(textIn(block, 'text', `${at}.content[${i}]`));
    else if (type === 'thinking') reasoning.push(textIn(block, 'thinking', `${at}.content[${i}]`));
    else if (type === 'tool_use') {
      const called = { name, arguments: JSON.stringify(input ?? {}) };
      calls.push({ id, type: 'function', function: called });
    }
  }
  return defined({
    role: 'assistant',
    content: texts.length === 0 && calls.length > 0 ? null : texts.join(''),
    reasoning_content: reasoning.length > 0 ? reasoning.join('') : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
  });
}

/** Results of tools are messages of their own, and come first: they have to follow the calls. */
function toUser(role: string, content: readonly Block[], at: string): Json[] {
  const results: Json[] = [];
  const parts: Json[] = [];
  for (const [i, block] of content.entries()) {
    const here = `${at}.content[${i}]`;
    if (block.type !== 'tool_result') parts.push(...toParts(block, here));
    else {
      const id = textIn(block, 'tool_use_id', here);
      results.push({ role: 'tool', tool_call_id: id, content: toResult(block['content'], here) });
    }
  }
  return parts.length === 0 ? results : [...results, { role, content: joined(parts) }];
}

function toResult(content: unknown, at: string): string | Json[] {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw invalidField(`${at}.content`, 'expected a string or an array of blocks');
  return joined(content.flatMap((block, i) => toParts(block as Block | null, `${at}.content[${i}]`)));
}

/** Templates handle a text better than parts of one. */
function joined(parts: readonly Json[]): string | Json[] {
  const texts = parts.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
  return texts.length === parts.length ? texts.join('\n') : [...parts];
}

/** @param block of a list that no schema has checked, or of one that has. */
function toParts(block: Block | null, at: string): Json[] {
  if (typeof block !== 'object' || block === null)
    throw invalidField(at, 'expected a block, an object with a type');
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: textIn(block, 'text', at) }];
    case 'image':
      return [{ type: 'image_url', image_url: { url: urlOf(block['source'], at) } }];
    case 'document':
      return toDocument(block, at);
    case 'search_result':
      return [{ type: 'text', text: JSON.stringify({ source: block['source'], content: block['content'] }) }];
    case 'tool_reference':
      return [];
    default:
      throw invalidValue(`${at}.type`, 'expected text, image, document, search_result or tool_result');
  }
}

function toDocument(block: Block, at: string): Json[] {
  const source = (block['source'] ?? {}) as Json;
  if (source['type'] === 'text') return [{ type: 'text', text: textIn(source, 'data', `${at}.source`) }];
  if (source['type'] === 'content' && Array.isArray(source['content']))
    return source['content'].flatMap((part, i) =>
      toParts(part as Block | null, `${at}.source.content[${i}]`),
    );
  const { title } = block;
  const file = { filename: typeof title === 'string' ? title : 'document', file_data: urlOf(source, at) };
  return [{ type: 'file', file }];
}

function urlOf(source: unknown, at: string): string {
  const { type, media_type: media, data, url } = (source ?? {}) as Json;
  if (type === 'url' && typeof url === 'string') return url;
  if (type === 'base64' && typeof data === 'string') return `data:${String(media)};base64,${data}`;
  throw invalidValue(
    `${at}.source`,
    'expected one of type base64, with media_type and data, or of type url, with url',
  );
}

function textIn(from: Json, field: string, at: string): string {
  const text = from[field];
  if (typeof text === 'string') return text;
  throw invalidField(`${at}.${field}`, 'expected a string');
}

function defined(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
