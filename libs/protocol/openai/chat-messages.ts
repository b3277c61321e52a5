/**
 * The messages of a chat completion. They are checked by hand: it takes a third of the schema's time (all of a request with
 * ten messages 1.5 µs instead of 4), and a mistake is worded as OpenAI does. The schema beside it is what the API's
 * description is made from; a test holds both to the same verdict.
 */
import { z } from 'zod';
import { invalidField, missingField } from './check-fields.ts';

/** Roles whose messages need content. Others may go without, and models have roles of their own (`ipython`). */
const CONTENT_ROLES = ['system', 'developer', 'user'] as const;
const MAX_ROLE = 64;

/** Returns the size of all text, UTF-16 units. @throws DispatchError that names the message and field at fault. */
export function checkMessages(messages: readonly unknown[]): number {
  let size = 0;
  for (const [i, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      throw invalidField(`messages[${i}]`, 'expected an object');
    }
    const { role, content } = message as { role?: unknown; content?: unknown };
    if (typeof role !== 'string') throw invalidField(`messages[${i}].role`, 'expected a string');
    if (role === '' || role.length > MAX_ROLE)
      throw invalidField(`messages[${i}].role`, 'expected user, assistant, system, developer or tool');
    size += checkContent(content, role, i);
  }
  return size;
}

function checkContent(content: unknown, role: string, i: number): number {
  if (typeof content === 'string') return content.length;
  const path = `messages[${i}].content`;
  if (content === null || content === undefined) {
    if ((CONTENT_ROLES as readonly string[]).includes(role)) throw missingField(path);
    return 0;
  }
  if (!Array.isArray(content)) throw invalidField(path, 'expected a string or an array of parts');
  let size = 0;
  for (const [j, part] of content.entries()) {
    if (typeof part !== 'object' || part === null) throw invalidField(`${path}[${j}]`, 'expected an object');
    const { type, text } = part as { type?: unknown; text?: unknown };
    if (typeof type !== 'string') throw invalidField(`${path}[${j}].type`, 'expected a string');
    if (type === 'text' && typeof text !== 'string')
      throw invalidField(`${path}[${j}].text`, 'expected a string');
    if (typeof text === 'string') size += text.length;
  }
  return size;
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
