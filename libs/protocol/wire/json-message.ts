/** Messages that are one JSON object each. */
import type { z } from 'zod';

/**
 * @param mostBytes longest message that is looked at.
 * @returns a reader that gives null for bytes that are not this message: a foreign or newer peer is ignored, not fatal.
 */
export function jsonReader<T>(schema: z.ZodType<T>, mostBytes: number): (bytes: Uint8Array) => T | null {
  return bytes => {
    if (bytes.length > mostBytes) return null;
    try {
      const parsed = schema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
      return parsed.success ? parsed.data : null;
    } catch {
      return null;
    }
  };
}
