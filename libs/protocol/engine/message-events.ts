/** A message of Anthropic's API as the events of its stream, and back: for engines that speak it, and answer with the other of the two. */
import { parseExactText } from '../json/exact-json.ts';

type Json = Record<string, unknown>;

/** @param message that is whole. @throws where it is none. */
export function messageEvents({ content, stop_reason, stop_sequence = null, usage, ...head }: Json): string {
  const write = (type: string, fields: Json) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const message = { ...head, content: [], stop_reason: null, stop_sequence: null, usage };
  const blocks = (content as Json[]).flatMap((block, index) => {
    const [content_block, deltas] = blockParts(block);
    return [
      write('content_block_start', { index, content_block }),
      ...deltas.map(delta => write('content_block_delta', { index, delta })),
      write('content_block_stop', { index }),
    ];
  });
  const end = write('message_delta', { delta: { stop_reason, stop_sequence }, usage });
  return write('message_start', { message }) + blocks.join('') + end + write('message_stop', {});
}

/** A block as it begins, and what follows. Kinds that have no deltas begin as they are. */
function blockParts(block: Json): readonly [start: Json, deltas: readonly Json[]] {
  const { type, text, thinking, signature, input } = block;
  if (type === 'text') return [{ ...block, text: '' }, [{ type: 'text_delta', text }]];
  if (type === 'tool_use')
    return [
      { ...block, input: {} },
      [{ type: 'input_json_delta', partial_json: JSON.stringify(input ?? {}) }],
    ];
  if (type !== 'thinking') return [block, []];
  const deltas: Json[] = [{ type: 'thinking_delta', thinking }];
  if (typeof signature === 'string') deltas.push({ type: 'signature_delta', signature });
  return [{ ...block, thinking: '', signature: '' }, deltas];
}

/** Assembles the events of a stream into the message that the engine would have sent without one. */
export class MessageBuilder {
  #message: Json = {};
  readonly #blocks = new Map<unknown, Json>();
  /** Input of a tool, as text. */
  readonly #inputs = new Map<unknown, string>();

  /** @throws where its parts have other types than the API's. */
  add(event: object): void {
    const { type, index, message, content_block: block, delta, usage } = event as Json;
    if (type === 'message_start') this.#message = { ...(message as Json) };
    else if (type === 'content_block_start') this.#blocks.set(index, { ...(block as Json) });
    else if (type === 'content_block_delta') this.#extend(index, delta as Json);
    else if (type === 'message_delta') {
      const counted = { ...(this.#message['usage'] as Json), ...(usage as Json) };
      this.#message = { ...this.#message, ...(delta as Json), usage: counted };
    }
  }

  #extend(index: unknown, { type, ...said }: Json): void {
    const block = this.#blocks.get(index);
    if (block === undefined) throw new TypeError('a delta without a block');
    for (const [field, value] of Object.entries(said))
      if (field === 'partial_json') this.#inputs.set(index, (this.#inputs.get(index) ?? '') + String(value));
      else if (field === 'citation') block['citations'] = [...((block['citations'] ?? []) as Json[]), value];
      else block[field] = typeof value === 'string' ? String(block[field] ?? '') + value : value;
  }

  get message(): Json {
    const content = [...this.#blocks].map(([index, block]) => {
      const input = this.#inputs.get(index);
      return input ? { ...block, input: parseExactText(input) } : block;
    });
    return { ...this.#message, content };
  }
}
