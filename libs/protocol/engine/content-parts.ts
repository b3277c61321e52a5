/**
 * What an answer says in `content`: a text, or, of some engines, parts as in a request, among them the model's thinking (as Mistral's
 * API has it).
 */

/** Text (`t`), reasoning (`r`) or a refusal (`x`). */
export type Said = readonly ['t' | 'r' | 'x', string];

export function readContent(content: unknown): Said[] {
  if (typeof content === 'string') return content === '' ? [] : [['t', content]];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: unknown) => (typeof part === 'string' ? readContent(part) : readPart(part)));
}

function readPart(part: unknown): Said[] {
  if (typeof part !== 'object' || part === null) return [];
  const { text, thinking, refusal } = part as Record<string, unknown>;
  const all: Said[] = [
    ['r', textIn(thinking)],
    ['t', textIn(text)],
    ['x', textIn(refusal)],
  ];
  return all.filter(([, said]) => said !== '');
}

/** Thinking may have parts of its own. */
function textIn(value: unknown): string {
  return readContent(value)
    .map(([, said]) => said)
    .join('');
}
