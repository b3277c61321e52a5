/** Messages, and records, that are one JSON object each. */
import type { z } from 'zod';

/** @returns null for what is no JSON, or does not match. */
export function readRecord<T extends z.ZodType>(schema: T, text: string): z.infer<T> | null {
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/**
 * @param mostBytes longest message that is looked at.
 * @returns a reader that gives null for bytes that are not this message: a foreign or newer peer is ignored, not fatal.
 */
export function jsonReader<T extends object>(
  schema: z.ZodType<T>,
  mostBytes: number,
): (bytes: Uint8Array) => T | null {
  return bytes => (bytes.length > mostBytes ? null : readRecord(schema, Buffer.from(bytes).toString('utf8')));
}
