/**
 * Input items as they are listed. A client may leave out much of an item (`content` as a string, no `type`, no `status`); the
 * list shows every field.
 */
import type { InputItem } from './messages.ts';

type Part = Record<string, unknown>;

/** Items without an id, or with that of an earlier item, get one made from the prefix, because the list is paged by ids. */
export function toInputItems(items: readonly InputItem[], prefix: string) {
  const known = new Set<unknown>();
  return items.map((item, i) => {
    const { id, ...rest } = item;
    const own = known.has(id) ? rest : item;
    known.add(id);
    return toInputItem(own, `${prefix}_${i}`);
  });
}

/** @param id used if the item has none. */
export function toInputItem(item: InputItem, id: string): InputItem & { readonly id: string } {
  const whole = { ...item, id: typeof item['id'] === 'string' ? item['id'] : id };
  const type = item['type'] ?? 'message';
  if (type === 'message') return { ...whole, ...messageFields(item) };
  if (type === 'reasoning') return { ...whole, summary: item['summary'] ?? [] };
  return { ...whole, status: item['status'] ?? 'completed' };
}

function messageFields({ role, content, status }: InputItem): InputItem {
  const own = role === 'assistant';
  const parts: Part[] = Array.isArray(content) ? content : [{ type: 'text', text: content }];
  return {
    type: 'message',
    status: status ?? 'completed',
    content: parts.map(part => (own ? outputPart(part) : inputPart(part))),
  };
}

function inputPart(part: Part): Part {
  if (part['type'] === 'input_image') return { ...part, detail: part['detail'] ?? 'auto' };
  return part['type'] === 'text' ? { ...part, type: 'input_text' } : part;
}

function outputPart(part: Part): Part {
  if (part['type'] === 'refusal') return part;
  return { annotations: [], logprobs: [], ...part, type: 'output_text' };
}
