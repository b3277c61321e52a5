/**
 * The messages of a chat completion. They are checked by hand: it takes a third of the schema's time (all of a request with
 * ten messages 1.5 µs instead of 4), and a mistake is worded as OpenAI does. The schema beside it is what the API's
 * description is made from; a test holds both to the same verdict.
 */
import { z } from 'zod';
import { countJson, countPart } from '../prompt/count-parts.ts';
import { countText } from '../prompt/count-text.ts';
import type { PromptProfile } from '../prompt/prompt-profile.ts';
import { invalidField, invalidValue, missingField } from './check-fields.ts';

/** Roles whose messages need content. Others may go without, and models have roles of their own (`ipython`). */
const CONTENT_ROLES = ['system', 'developer', 'user'] as const;
const MAX_ROLE = 64;

/** Counts what is in them. @throws DispatchError that names the message and field at fault. */
export function checkMessages(messages: readonly unknown[], into: PromptProfile): void {
  const lastQuestion = messages.findLastIndex(
    message => (message as { role?: unknown } | null)?.role === 'user',
  );
  into.messages += messages.length;
  for (const [i, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      throw invalidField(`messages[${i}]`, 'expected an object');
    }
    const { role, content } = message as { role?: unknown; content?: unknown };
    if (typeof role !== 'string') throw invalidField(`messages[${i}].role`, 'expected a string');
    if (role === '' || role.length > MAX_ROLE)
      throw invalidValue(`messages[${i}].role`, 'expected user, assistant, system, developer or tool');
    checkContent(content, role, i, into);
    if (role === 'assistant') countAnswer(message as Answer, i > lastQuestion, into);
  }
}

function checkContent(content: unknown, role: string, i: number, into: PromptProfile): void {
  if (typeof content === 'string') return countText(content, into);
  const path = `messages[${i}].content`;
  if (content === null || content === undefined) {
    if ((CONTENT_ROLES as readonly string[]).includes(role)) throw missingField(path);
    return;
  }
  if (!Array.isArray(content)) throw invalidField(path, 'expected a string or an array of parts');
  for (const [j, part] of content.entries()) {
    if (typeof part !== 'object' || part === null) throw invalidField(`${path}[${j}]`, 'expected an object');
    const { type, text } = part as { type?: unknown; text?: unknown };
    if (typeof type !== 'string') throw invalidField(`${path}[${j}].type`, 'expected a string');
    if (type === 'text' && typeof text !== 'string')
      throw invalidField(`${path}[${j}].text`, 'expected a string');
    countPart(part as Record<string, unknown>, into);
  }
}

interface Answer {
  readonly tool_calls?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
}

/** Templates leave out the reasoning of earlier turns (Qwen3, DeepSeek, gpt-oss): it counts only after the last question. */
function countAnswer(
  { tool_calls: calls, reasoning_content: thought, reasoning = thought }: Answer,
  isThisTurn: boolean,
  into: PromptProfile,
): void {
  if (calls) countJson(calls, into);
  if (isThisTurn && typeof reasoning === 'string') countText(reasoning, into);
}

/** The array itself, for the schema that checks requests; what is in it is left to {@link checkMessages}. */
export const messagesArray = z.custom<unknown[]>(value => Array.isArray(value) && value.length > 0, {
  error: 'expected an array of at least 1 message',
});

const part = z.union([
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({
    type: z
      .string()
      .refine(type => type !== 'text')
      .meta({ not: { const: 'text' } }),
  }),
]);
const content = z.union([z.string(), z.array(part)]);
const otherRole = z
  .string()
  .min(1)
  .max(MAX_ROLE)
  .refine(role => !(CONTENT_ROLES as readonly string[]).includes(role))
  .meta({ not: { enum: CONTENT_ROLES } });

/** All that {@link messagesArray} and {@link checkMessages} check, as one schema: for descriptions and tests. */
export const messagesSchema = z
  .array(
    z.union([
      z.looseObject({ role: z.enum(CONTENT_ROLES), content }),
      z.looseObject({ role: otherRole, content: content.nullish() }),
    ]),
  )
  .min(1);
