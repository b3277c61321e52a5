/**
 * Items of a response's input, and of the responses before it, as chat messages. Chat templates are strict: they want one system message, at the
 * beginning, and one message of the assistant between those of others. So all that is said for the system goes into one, and what the assistant
 * thought, said and called in a row into another.
 */
import { type ChatContent, type ChatPart, toContent } from './content.ts';
import { refuseAt } from './fields.ts';
import { sealedText } from './reasoning.ts';
import type { ToolBook } from './tools.ts';

export type InputItem = Record<string, unknown>;
export type ChatMessage = Record<string, unknown>;

const ROLES: Readonly<Record<string, 'user' | 'assistant' | 'system'>> = {
  user: 'user',
  assistant: 'assistant',
  system: 'system',
  developer: 'system',
};

/** Tools that OpenAI or the client runs in their own ways, left out here as their definitions are. */
const OTHER_TOOLS = [
  ...[
    'web_search',
    'file_search',
    'computer',
    'code_interpreter',
    'image_generation',
    'local_shell',
    'shell',
  ],
  ...['apply_patch', 'mcp', 'tool_search'],
];
/** Items of such tools, in conversations that began elsewhere, and what clients keep for themselves. */
const OMITTED: ReadonlySet<unknown> = new Set([
  ...OTHER_TOOLS.flatMap(tool => [`${tool}_call`, `${tool}_call_output`, `${tool}_output`]),
  ...['mcp_list_tools', 'mcp_approval_request', 'mcp_approval_response', 'ghost_snapshot'],
  ...['compaction_trigger', 'configuration_update'],
]);
const SUPPORTED =
  'expected message, function_call, function_call_output, custom_tool_call, custom_tool_call_output, reasoning, compaction or item_reference';

/** Before the text of a compaction. */
const SUMMARY = 'Summary of the conversation so far:\n\n';

/** What the assistant did between two messages of others. */
interface Turn {
  readonly texts: string[];
  readonly calls: object[];
  reasoning: string;
}

/**
 * @param instructions come first.
 * @param book the tools that calls are of.
 * @param at field that has the items.
 * @throws DispatchError that names the item.
 */
export function messagesOf(
  items: readonly InputItem[],
  instructions: string | null,
  book: ToolBook,
  at = 'input',
): ChatMessage[] {
  const writer = new MessageWriter(book);
  if (instructions) writer.system(instructions);
  for (const [i, item] of items.entries()) writer.add(item, `${at}[${i}]`);
  return writer.messages();
}

/** It stands for a stored item. Its `type` may be null or left out: then it has an id, and nothing that an item has. */
export function isItemReference({ type, role, id }: InputItem): boolean {
  const isUntyped = (type === undefined || type === null) && role === undefined;
  return type === 'item_reference' || (isUntyped && typeof id === 'string');
}

class MessageWriter {
  readonly #book: ToolBook;
  readonly #system: ChatContent[] = [];
  readonly #rest: ChatMessage[] = [];
  #turn: Turn | null = null;
  /** The last message has what was said before, in short. */
  #isSummary = false;

  constructor(book: ToolBook) {
    this.#book = book;
  }

  add(item: InputItem, at: string): void {
    // Whoever can read the item that is meant has put it in the place of this one.
    if (isItemReference(item)) return;
    const type = item['type'] ?? (item['role'] === undefined ? undefined : 'message');
    switch (type) {
      case 'message':
        return this.#message(item, at);
      case 'function_call':
        return this.#call(item, argumentsOf(item['arguments']), at);
      case 'custom_tool_call':
        return this.#call(item, JSON.stringify({ input: item['input'] ?? '' }), at);
      case 'function_call_output':
      case 'custom_tool_call_output':
        return this.#output(item, at);
      case 'reasoning':
        this.#assistant().reasoning += reasoningIn(item);
        return;
      case 'compaction':
        return this.#compaction(item);
      default:
        if (OMITTED.has(type)) return;
        refuseAt(`${at}.type`, SUPPORTED);
    }
  }

  system(content: ChatContent): void {
    this.#system.push(content);
  }

  messages(): ChatMessage[] {
    this.#endTurn();
    const system =
      this.#system.length === 0 ? [] : [{ role: 'system', content: joined(this.#system, '\n\n') }];
    return [...system, ...this.#rest];
  }

  #message(item: InputItem, at: string): void {
    const given = String(item['role']);
    const role = Object.hasOwn(ROLES, given) ? ROLES[given] : undefined;
    if (role === undefined) return refuseAt(`${at}.role`, 'expected user, assistant, system or developer');
    const content = toContent(item['content'], `${at}.content`, role === 'assistant' ? '' : '\n');
    if (role === 'system') this.system(content);
    else if (role === 'user') this.#other({ role, content });
    else this.#assistant().texts.push(textOf(content));
  }

  #call(item: InputItem, args: string, at: string): void {
    const id = textIn(item, 'call_id', at);
    const { namespace } = item;
    const space = typeof namespace === 'string' && namespace !== '' ? namespace : null;
    const name = this.#book.engineName(space, textIn(item, 'name', at));
    this.#assistant().calls.push({ id, type: 'function', function: { name, arguments: args } });
  }

  #output(item: InputItem, at: string): void {
    const { output } = item;
    const content = Array.isArray(output)
      ? toContent(output, `${at}.output`, '\n')
      : typeof output === 'string'
        ? output
        : JSON.stringify(output ?? '');
    this.#other({ role: 'tool', tool_call_id: textIn(item, 'call_id', at), content });
  }

  /**
   * What was said before, in short. With the users' messages beside it, which are those of a compacted conversation and the next one, it
   * makes one message: many templates want users and assistants in turn.
   */
  #compaction(item: InputItem): void {
    const said = sealedText(item['encrypted_content']);
    if (said === null) return;
    this.#endTurn();
    let first = this.#rest.length;
    while (this.#rest[first - 1]?.['role'] === 'user') first--;
    const kept = this.#rest.splice(first).map(({ content }) => content as ChatContent);
    this.#rest.push({ role: 'user', content: joined([...kept, SUMMARY + said], '\n\n') });
    this.#isSummary = true;
  }

  #assistant(): Turn {
    this.#turn ??= { texts: [], calls: [], reasoning: '' };
    return this.#turn;
  }

  #other(message: ChatMessage): void {
    this.#endTurn();
    const last = this.#isSummary && message['role'] === 'user' ? this.#rest.at(-1) : undefined;
    this.#isSummary = false;
    if (last === undefined) this.#rest.push(message);
    else last['content'] = joined([last['content'], message['content']] as ChatContent[], '\n\n');
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = null;
    // Reasoning that led to nothing is of no use to a template.
    if (turn === null) return;
    this.#isSummary = false;
    if (turn.texts.length === 0 && turn.calls.length === 0) return;
    this.#rest.push({
      role: 'assistant',
      content: turn.texts.length === 0 ? null : turn.texts.join('\n\n'),
      ...(turn.reasoning === '' ? {} : { reasoning_content: turn.reasoning }),
      ...(turn.calls.length === 0 ? {} : { tool_calls: turn.calls }),
    });
  }
}

function argumentsOf(args: unknown): string {
  return typeof args === 'object' && args !== null ? JSON.stringify(args) : String(args ?? '');
}

function joined(contents: readonly ChatContent[], glue: string): ChatContent {
  const texts = contents.filter(content => typeof content === 'string');
  if (texts.length === contents.length) return texts.join(glue);
  return contents.flatMap(content =>
    typeof content === 'string' ? [{ type: 'text', text: content }] : content,
  ) as ChatPart[];
}

/** Of the assistant: a model does not take its own images back. */
function textOf(content: ChatContent): string {
  return typeof content === 'string' ? content : content.map(part => part['text'] ?? '').join('');
}

/** The text itself, else what only its client hands on, else what was told of it in short. */
function reasoningIn({ content, summary, encrypted_content: sealed }: InputItem): string {
  const said = textsIn(content, '');
  return said || (sealedText(sealed) ?? textsIn(summary, '\n\n'));
}

function textsIn(parts: unknown, glue: string): string {
  if (!Array.isArray(parts)) return '';
  return parts.map((part: { text?: unknown } | null) => String(part?.text ?? '')).join(glue);
}

function textIn(from: Record<string, unknown>, field: string, at: string): string {
  const text = from[field];
  if (typeof text === 'string' && text !== '') return text;
  return refuseAt(`${at}.${field}`, 'expected a string that is not empty');
}
