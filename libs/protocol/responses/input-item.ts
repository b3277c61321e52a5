/**
 * Input items as they are listed: clients may leave out much of an item when they send it (`content` as a string, no `type`,
 * no `status`), but what comes back is whole.
 */
import type { InputItem } from './to-chat.ts';

type Part = Record<string, unknown>;

/** Ids are made from a prefix for items that came without one, or with that of an item before: a list is paged by them. */
export function toInputItems(items: readonly InputItem[], prefix: string) {
  const known = new Set<unknown>();
  return items.map((item, i) => {
    const { id, ...rest } = item;
    const own = known.has(id) ? rest : item;
    known.add(id);
    return toInputItem(own, `${prefix}_${i}`);
  });
}

/** @param id for an item that came without one. */
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
  return { ...part, type: 'input_text' };
}

function outputPart(part: Part): Part {
  if (part['type'] === 'refusal') return part;
  return { annotations: [], logprobs: [], ...part, type: 'output_text' };
}
